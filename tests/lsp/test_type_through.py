"""What was suggested is not asked for again while it is typed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from m31r_lsp.filters.cursor import Cursor
from m31r_lsp.type_through import TypeThrough

URI = "file:///a.rs"
AT = Cursor("fn main() {\n    let x = ", "\n}\n")


def shown(text: str) -> TypeThrough:
    cache = TypeThrough()
    cache.remember(URI, AT, text)
    return cache


@given(text=st.text(min_size=1), typed=st.integers(0))
def test_what_is_left(text: str, typed: int) -> None:
    typed %= len(text)
    cursor = Cursor(AT.prefix + text[:typed], AT.suffix)
    assert shown(text).lookup(URI, cursor) == text[typed:]


def test_other_text_is_asked_for() -> None:
    cache = shown("Vec::new();")
    assert cache.lookup(URI, Cursor(AT.prefix + "Ve", "\n}\n// more\n")) is None
    assert cache.lookup(URI, Cursor(AT.prefix + "Box", AT.suffix)) is None
    assert cache.lookup(URI, Cursor(AT.prefix + "Vec::new();", AT.suffix)) is None
    assert cache.lookup(URI, Cursor("use a;\n" + AT.prefix, AT.suffix)) is None
    assert cache.lookup("file:///b.rs", AT) is None


def test_a_bracket_the_editor_closed() -> None:
    cursor = Cursor(AT.prefix + "foo(", ")" + AT.suffix)
    assert shown("foo(a, b);").lookup(URI, cursor) == "a, b);"
    assert shown("foo(a, b);").lookup(URI, Cursor(AT.prefix + "foo(", "x" + AT.suffix)) is None


def test_nothing_is_an_answer_at_the_same_place_only() -> None:
    cache = shown("")
    assert cache.lookup(URI, AT) == ""
    assert cache.lookup(URI, Cursor(AT.prefix + "a", AT.suffix)) is None


def test_old_ones_and_closed_documents_are_forgotten() -> None:
    cache = TypeThrough(capacity=2)
    for prefix in ("a", "b", "c"):
        cache.remember(URI, Cursor(prefix, ""), "1")
    assert cache.lookup(URI, Cursor("a", "")) is None
    assert cache.lookup(URI, Cursor("b", "")) == "1"
    cache.forget(URI)
    assert cache.lookup(URI, Cursor("b", "")) is None
