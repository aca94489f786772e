"""Byte offsets and an editor's positions are the same places, and edits do the same in both."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types
from tests.lsp.test_documents import TEXTS, Reference

from m31r_core.repair import Edit, apply_edits
from m31r_lsp.documents import Document, Encoding
from m31r_lsp.positions import ByteLines, text_edits, with_line_ends

ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
ENCODING = st.sampled_from(ENCODINGS)


@given(text=TEXTS, encoding=ENCODING)
def test_every_place_of_a_text_has_its_byte(text: str, encoding: Encoding) -> None:
    lines = ByteLines(text.encode(), encoding)
    document = Document("file:///a.rs", text, 1, encoding)
    for index, line, units in Reference(text, encoding).boundaries():
        offset, position = len(text[:index].encode()), types.Position(line, units)
        assert lines.position(offset) == position
        assert lines.offset(position) == offset
        assert document.around(lines.position(offset)) == (text[:index], text[index:])


@given(
    text=TEXTS,
    line=st.integers(0, 9),
    character=st.integers(0, 9) | st.integers(0, 2**31 - 1),
    encoding=ENCODING,
)
def test_positions_are_clamped_as_in_documents(
    text: str, line: int, character: int, encoding: Encoding
) -> None:
    position = types.Position(line, character)
    document = Document("file:///a.rs", text, 1, encoding)
    before = document.around(position)[0]
    assert ByteLines(text.encode(), encoding).offset(position) == len(before.encode())


@given(text=TEXTS, data=st.data(), encoding=ENCODING)
def test_edits_in_bytes_and_in_an_editor_give_the_same_text(
    text: str, data: st.DataObject, encoding: Encoding
) -> None:
    edits = draw_edits(data, text)
    try:
        expected = apply_edits(text.encode(), with_line_ends(text.encode(), edits))
        made = text_edits(text.encode(), edits, encoding)
    except ValueError:
        return  # edits that meet once they no longer split a line end
    document = Document("file:///a.rs", text, 1, encoding)
    # A client applies the edits of one request at once: from the last to the first.
    for where, new in reversed(made):
        document.apply([types.TextDocumentContentChangePartial(where, new)], 2)
    assert document.text == expected.decode()


@given(text=TEXTS, data=st.data())
def test_line_ends_are_all_that_changes_in_an_edit(text: str, data: st.DataObject) -> None:
    edits = draw_edits(data, text)
    try:
        made = with_line_ends(text.encode(), edits)
    except ValueError:
        return
    plain = apply_edits(text.encode(), edits)
    ours = apply_edits(text.encode(), made)
    assert one_line_end(ours) == one_line_end(plain)


def draw_edits(data: st.DataObject, text: str) -> list[Edit]:
    """Draw edits at places between characters that do not meet."""
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    places = [len(text[:cut].encode()) for cut in cuts]
    pieces = st.sampled_from(["", "x", "\n    y", "é😀", "\r\n"])
    return [
        Edit("a.rs", start, end, data.draw(pieces))
        for start, end in zip(places[::2], places[1::2], strict=False)
    ]


def one_line_end(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n")


def test_a_newline_behind_a_carriage_return_ends_one_line() -> None:
    (made,) = with_line_ends(b"\r\n\ra", [Edit("a.rs", 3, 4, "\nb\n")])
    assert made.text == "\nb\r\n"


def test_new_lines_end_as_those_of_the_file() -> None:
    (edit,) = with_line_ends(b"a\r\nb\r\n", [Edit("a.rs", 3, 3, "x\ny\r\n")])
    assert edit.text == "x\r\ny\r\n"
    (edit,) = with_line_ends(b"a\nb\n", [Edit("a.rs", 2, 2, "x\n")])
    assert edit.text == "x\n"


def test_only_what_differs_is_sent() -> None:
    text = "let a = 1;\nprint(é, name);\n".encode()
    line = text.index(b"print")
    edit = Edit("a.rs", line, len(text), "print(é, &name);\n")
    assert text_edits(text, [edit], "utf-16") == [
        (types.Range(types.Position(1, 9), types.Position(1, 9)), "&")
    ]
    assert text_edits(text, [Edit("a.rs", 0, 3, "let")], "utf-8") == []


@pytest.mark.parametrize(
    "edit", [Edit("a.rs", 1, 2, ""), Edit("a.rs", 0, 9, ""), Edit("a.rs", 2, 3, "")]
)
def test_edits_that_do_not_fit_are_refused(edit: Edit) -> None:
    with pytest.raises(ValueError, match=r"a\.rs"):
        with_line_ends("é😀".encode(), [edit])
