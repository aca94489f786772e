"""Each filter lets good code pass and names what it refuses: golden cases, a file a filter.

A case gives what differs from a small file of package `p`, licence MIT: `text` (`times` over, each
time with its number in place of `{i}`), `path`, `kind`, `package`, `license`, or a `config`. It
passes, unless a `reason` is given.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_data.config import FilterConfig
from m31r_data.document import Document
from m31r_data.filters import FILTERS, first_refusal

GOLDEN = Path(__file__).parent
GOOD = "/// Doubles `x`.\npub fn double(x: u32) -> u32 {\n    let y = x + x;\n    y\n}\n"
CASES = [
    pytest.param(check, case, id=f"{check.__name__}: {case['name']}")
    for check in FILTERS
    for case in tomllib.loads((GOLDEN / f"{check.__name__}.toml").read_text("utf-8"))["case"]
]


def document(case: dict[str, Any]) -> Document:
    text = case.get("text", GOOD)
    if "times" in case:
        text = "".join(text.replace("{i}", str(i)) for i in range(case["times"]))
    return Document(
        case.get("package", "p"),
        "1.0.0",
        case.get("path", "src/lib.rs"),
        case.get("license", "MIT"),
        case.get("kind", "src"),
        text,
    )


@pytest.mark.parametrize(("check", "case"), CASES)
def test_golden(check: Any, case: dict[str, Any]) -> None:
    options: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in case.get("config", {}).items()
    }
    config = FilterConfig(**options)
    reason = case.get("reason")
    assert check(document(case), config) == (True if reason is None else (False, reason))
    assert (first_refusal(document(case), config) is None) == (reason is None) or "alone" in case


@pytest.mark.parametrize("check", FILTERS, ids=lambda check: check.__name__)
def test_every_filter_has_cases_of_both_kinds(check: Any) -> None:
    cases: list[Any] = [param.values[1] for param in CASES if param.values[0] is check]
    refused = sum("reason" in case for case in cases)
    assert len(cases) >= 4
    assert 0 < refused < len(cases)


def test_the_first_reason_counts() -> None:
    bad = document({"text": "no Rust at all", "license": "", "kind": "fixture"})
    assert first_refusal(bad, FilterConfig()) == "kind fixture"
    assert first_refusal(bad, FilterConfig(skip_kinds=())) == "licence unknown"


@given(st.text(max_size=300), st.text(max_size=60), st.text(max_size=30))
def test_any_file_gets_an_answer_and_reasons_are_constants(
    text: str, path: str, package: str
) -> None:
    odd = Document(package, "", path, "MIT", "src", text)
    for check in FILTERS:
        answer = check(odd, FilterConfig())
        assert answer is True or answer[1].isascii()
