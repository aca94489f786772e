"""Blocks of Rust: where one ends that was written into."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from m31r_core.blocks import cut_block, opens_block, whole_statements
from m31r_core.brackets import first_closed_outside, unclosed

PIECES = ["{", "}", "(", ")", "\n", "    ", "a", "a();", "let a = 1;", '"}"', "// }", "if a ", "é"]
CODE = st.lists(st.sampled_from(PIECES), max_size=20).map("".join)


@given(before=CODE, text=CODE, after=CODE)
def test_any_text_can_be_cut(before: str, text: str, after: str) -> None:
    opens_block(before, after)
    cut = cut_block(before, text, after)
    assert text.startswith(cut)
    assert text.startswith(whole_statements(before, text))
    closed = first_closed_outside(cut)
    assert closed is None or closed == len(cut) - 1


def test_a_closer_closes_what_is_indented_like_it() -> None:
    before = "fn f() {\n    if a {\n        g(|x| {\n            x"
    assert unclosed(before, "\n}\n") == ["{", "(", "{"]
    assert unclosed(before, "\n    }\n}\n") == ["(", "{"]
    assert unclosed(before, "\n        })\n    }\n}\n") == []
    assert unclosed("f(a, (b", "))") == []


def test_the_brace_is_taken_where_nobody_else_has_it() -> None:
    text = "a();\n}\n\nfn g() {}\n"
    assert cut_block("fn f() {\n    ", text, "") == "a();\n}"
    assert cut_block("fn f() {\n    ", text, "\n}\n") == "a();"


def test_statements_are_whole() -> None:
    before = "fn f(n: u8) -> u8 {\n    "
    assert whole_statements(before, "let a = n;\n    let b = a +") == "let a = n;"
    assert whole_statements(before, "match n {\n        1 =>") == ""
    assert whole_statements(before, "let a = n;\n    a") == "let a = n;\n    a"
