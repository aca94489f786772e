"""Where a cursor stands, and how much of a text is Rust."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_core.syntax import CursorState, cursor_state, error_share, node_ends


@pytest.mark.parametrize(
    ("marked", "state"),
    [
        ("fn main() { let a = |; }", "code"),
        ("// a comment|", "comment"),
        ("// a comment\n|", "code"),
        ("/// a doc comment|\nfn f() {}", "comment"),
        ("/// a doc comment\n|fn f() {}", "code"),
        ("/* a block | comment */", "comment"),
        ("/* a block comment */|", "code"),
        ('let a = "in a | string";', "string"),
        ('let a = "a string"|;', "code"),
        ('let a = |"a string";', "code"),
        ('let a = r#"raw | string"#;', "string"),
        ("let a = 'x';|", "code"),
        ("|", "code"),
    ],
)
def test_cursor_state(marked: str, state: CursorState) -> None:
    before, after = marked.split("|")
    assert cursor_state((before + after).encode(), len(before.encode())) == state


def test_good_code_has_no_errors_and_prose_has_many() -> None:
    assert error_share(b'fn main() { println!("{}", 1); }\n') == 0.0
    assert error_share(b"This is not Rust at all, it is only words. " * 5) > 0.1


def test_node_ends_are_where_nodes_end() -> None:
    source = b"fn f() { g(1); }"
    assert node_ends(source, frozenset({"function_item"})) == [len(source)]
    assert node_ends(source, frozenset({"call_expression"})) == [source.index(b";")]


@given(st.binary(max_size=300), st.integers(0, 300))
def test_no_text_is_too_strange(source: bytes, offset: int) -> None:
    assert cursor_state(source, min(offset, len(source))) in ("code", "comment", "string")
    assert 0.0 <= error_share(source) <= 1.0
