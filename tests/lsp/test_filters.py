"""Golden cases for each filter, and what holds for all of them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_core.blocks import opens_block
from m31r_lsp import silence
from m31r_lsp.filters import FILTERS, Filter, apply_filters
from m31r_lsp.filters.cursor import Cursor
from m31r_lsp.ghost import Ghost
from m31r_lsp.scope.unknown import unknown_names
from m31r_lsp.settings import CompletionSettings

GOLDEN = Path(__file__).parent / "golden"
BY_NAME = {each.__name__: each for each in FILTERS}


def cases(*names: str) -> list[Any]:
    return [
        pytest.param(name, case, id=f"{name}: {case['name']}")
        for name in names
        for case in tomllib.loads((GOLDEN / f"{name}.toml").read_text("utf-8"))["case"]
    ]


@pytest.mark.parametrize(("name", "case"), cases(*BY_NAME))
def test_golden(name: str, case: dict[str, str]) -> None:
    cursor = Cursor(case.get("prefix", ""), case.get("suffix", ""))
    assert BY_NAME[name](case["text"], cursor) == case["expected"]


@pytest.mark.parametrize(("name", "case"), cases("all"))
def test_all_filters(name: str, case: dict[str, Any]) -> None:
    cursor = Cursor(case["prefix"], case["suffix"])
    expected = Ghost(case["expected"], case.get("swallows", 0))
    assert apply_filters(case["text"], cursor).ghost == expected


@pytest.mark.parametrize(("name", "case"), cases("scope"))
def test_names_that_exist_nowhere(name: str, case: dict[str, Any]) -> None:
    before, after = case["at"].split("¦")
    elsewhere = {"there", "len", "Vec"}
    assert unknown_names(before, case["text"], after, elsewhere.__contains__) == tuple(
        case["unknown"]
    )


@pytest.mark.parametrize(("name", "case"), cases("blocks"))
def test_where_a_block_is_wanted(name: str, case: dict[str, Any]) -> None:
    assert opens_block(*case["at"].split("¦")) == case["opens"]


def test_there_are_cases_enough() -> None:
    assert sum(len(cases(file.stem)) for file in GOLDEN.glob("*.toml")) >= 120


@pytest.mark.parametrize(("name", "case"), cases("silence"))
def test_silence(name: str, case: dict[str, str]) -> None:
    cursor = Cursor(*case["at"].split("¦"))
    reason = silence.at_cursor(CompletionSettings(), cursor)
    assert case["silent"] in (reason or "")
    assert (reason is None) == (case["silent"] == "")


def test_comments_and_strings_can_be_allowed() -> None:
    allowed = CompletionSettings(in_comments=True, in_strings=True)
    assert silence.at_cursor(allowed, Cursor("// a ", "\n")) is None
    only_strings = CompletionSettings(in_strings=True)
    assert silence.at_cursor(only_strings, Cursor('let a = "b ', '";\n')) is None
    assert silence.at_cursor(only_strings, Cursor("// a ", "\n")) is not None


@pytest.mark.parametrize(("name", "case"), cases("silence"))
def test_silence_far_down_a_long_file(name: str, case: dict[str, str]) -> None:
    before, after = case["at"].split("¦")
    filler = "fn f() -> u8 {\n    1\n}\n" * 1_000
    reason = silence.at_cursor(CompletionSettings(), Cursor(filler + before, after + "\n" + filler))
    assert case["silent"] in (reason or "")
    assert (reason is None) == (case["silent"] == "")


TOKENS = ["(", ")", "[", "]", "{", "}", '"', "'", "//", "/*", "*/", "\\", "r#", "#", "a", "bc"]
TOKENS += [" ", "\n", "\r", ";", ",", ".", "0", "é", "😀", "_", "'a'", '"("']
CODE = st.lists(st.sampled_from(TOKENS), max_size=24).map("".join) | st.text(max_size=24)


def is_shortened(short: str, text: str) -> bool:
    """Whether `short` is `text` with characters left out."""
    rest = iter(text)
    return all(character in rest for character in short)


@pytest.mark.parametrize("each", FILTERS, ids=lambda each: each.__name__)
@given(text=CODE, prefix=CODE, suffix=CODE)
def test_a_filter_shortens_and_a_second_pass_changes_nothing(
    each: Filter, text: str, prefix: str, suffix: str
) -> None:
    cursor = Cursor(prefix, suffix)
    once = each(text, cursor)
    assert is_shortened(once, text)
    assert each(once, cursor) == once


@given(text=CODE, prefix=CODE, suffix=CODE)
def test_all_of_them_together(text: str, prefix: str, suffix: str) -> None:
    cursor = Cursor(prefix, suffix)
    found = apply_filters(text, cursor)
    left = found.ghost.text
    assert is_shortened(left, text)
    assert (found.emptied_by is None) == bool(left)
    assert left == left.rstrip()
    swallowed = cursor.line_after[: found.ghost.swallows]
    assert set(swallowed) <= set(")]}")
    assert is_shortened(swallowed, left)
    assert apply_filters(left, cursor).ghost == found.ghost
