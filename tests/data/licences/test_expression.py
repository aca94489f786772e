"""SPDX expressions: what they allow, and how they are spelled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_data.licences import is_permissive, normal
from m31r_data.licences.expression import all_of, is_spdx

NAMES = st.sampled_from(["MIT", "Apache-2.0", "GPL-2.0-only", "MPL-2.0", "ISC", "BSD-3-Clause"])
GOOD = {"MIT", "Apache-2.0", "ISC", "BSD-3-Clause"}


@pytest.mark.parametrize(
    ("expression", "permissive"),
    [
        ("MIT", True),
        ("MIT OR GPL-2.0", True),
        ("MIT AND GPL-2.0", False),
        ("MIT/Apache-2.0", True),
        ("GPL-3.0-only / MIT", True),
        ("MIT/Apache-2.0 AND GPL-2.0-only", False),  # the slash binds first
        ("Apache-2.0 WITH LLVM-exception/MIT", True),
        ("(MIT OR GPL-2.0) AND ISC", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("mit or gpl-2.0", True),
        ("BSD3", False),
        ("BSD License (BSD)", False),
        ("MIT License", False),
        ("MIT,Apache-2.0", False),
        ("MIT OR Proprietary", False),
        ("LicenseRef-mine", False),
        ("NOASSERTION", False),
        ("", False),
        ("()", False),
        ("MIT " * 10_000, False),
    ],
)
def test_or_needs_one_permissive_side_and_needs_both(expression: str, permissive: bool) -> None:
    assert is_permissive(expression) is permissive


@given(NAMES, NAMES, NAMES)
def test_agrees_with_the_truth_table(a: str, b: str, c: str) -> None:
    x, y, z = (name in GOOD for name in (a, b, c))
    assert is_permissive(f"{a} AND ({b} OR {c})") is (x and (y or z))
    assert is_permissive(f"{a} OR {b} AND {c}") is (x or (y and z))
    assert is_permissive(f"{a}/{b} AND {c}") is ((x or y) and z)


WORDS = st.lists(
    st.sampled_from(["MIT", "GPL-2.0", "AND", "OR", "WITH", "(", ")", "/", "LLVM-exception", "é"])
)


@given(st.one_of(st.text(max_size=60), WORDS.map(" ".join)))
def test_any_text_has_an_answer(text: str) -> None:
    if is_permissive(text):
        assert is_spdx(text)
        assert is_permissive(normal(text))
    assert normal(normal(text)) == normal(text)


def test_one_spelling_of_each_licence() -> None:
    assert normal("mit / apache-2.0") == "MIT OR Apache-2.0"
    assert normal("GPL-2.0+") == "GPL-2.0-or-later"
    assert normal("  BSD   License (BSD)\n") == "BSD License (BSD)"


def test_all_of_keeps_alternatives_together() -> None:
    assert all_of(["MIT OR ISC", "Zlib", "MIT OR ISC"]) == "(MIT OR ISC) AND Zlib"
    assert all_of(["MIT", "MIT"]) == "MIT"
    assert all_of([]) == ""
