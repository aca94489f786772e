"""The server's text is the editor's, in every encoding."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types

from m31r_lsp.documents import Document, Encoding, character_index, code_units, short_path

if TYPE_CHECKING:
    from tests.lsp.conftest import Wire

ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
CODECS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}

# Line ends of LSP, line ends of Python that are none of LSP, one to four bytes in UTF-8, a
# combining mark, a family of joined emoji.
PIECES = ["a", "fn ", "\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "é", "e\u0301", "ß"]
PIECES += ["語", "😀", "👩\u200d👩\u200d👧", "\t", "{", "}"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


class Reference:
    """A document as code units in one flat buffer, edited by offset."""

    def __init__(self, text: str, encoding: str) -> None:
        self.text, self.encoding = text, encoding

    def boundaries(self) -> list[tuple[int, int, int]]:
        """Every place between characters: index, line, code units from the line's start."""
        codec, width = CODECS[self.encoding]
        places, line, units = [], 0, 0
        for i, character in enumerate(self.text):
            inside = character == "\n" and i > 0 and self.text[i - 1] == "\r"
            if not inside:
                places.append((i, line, units))
            units += len(character.encode(codec)) // width
            ends = character == "\n" or (character == "\r" and self.text[i + 1 : i + 2] != "\n")
            if ends:
                line, units = line + 1, 0
        return [*places, (len(self.text), line, units)]

    def replace(self, start: int, end: int, new: str) -> None:
        self.text = self.text[:start] + new + self.text[end:]


def edit(data: st.DataObject, reference: Reference) -> tuple[types.Range, str]:
    """Draw an edit, apply it to the reference and return it as the client would send it."""
    places = reference.boundaries()
    first = data.draw(st.integers(0, len(places) - 1))
    last = data.draw(st.integers(first, min(len(places) - 1, first + 6)))
    new = data.draw(TEXTS)
    (start, *at), (end, *to) = places[first], places[last]
    reference.replace(start, end, new)
    return types.Range(types.Position(*at), types.Position(*to)), new


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(max_examples=150, deadline=None)
@given(text=TEXTS, data=st.data())
def test_random_edits(encoding: Encoding, text: str, data: st.DataObject) -> None:
    reference = Reference(text, encoding)
    document = Document("file:///a.rs", text, 1, encoding)
    for version in range(2, 2 + data.draw(st.integers(1, 6))):
        where, new = edit(data, reference)
        document.apply([types.TextDocumentContentChangePartial(where, new)], version)
        assert document.text == reference.text
        assert document.size == len(reference.text.encode())
        assert document.version == version
    for index, line, units in reference.boundaries():
        before, after = document.around(types.Position(line, units))
        assert (before, after) == (reference.text[:index], reference.text[index:])


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(max_examples=15, deadline=None)
@given(text=TEXTS, data=st.data())
def test_random_edits_through_a_server(
    encoding: Encoding, servers: dict[Encoding, Wire], text: str, data: st.DataObject
) -> None:
    wire, uri = servers[encoding], "file:///edited.rs"
    reference = Reference(text, encoding)
    wire.open(uri, text)
    for version in (2, 3, 4):
        where, new = edit(data, reference)
        start = {"line": where.start.line, "character": where.start.character}
        end = {"line": where.end.line, "character": where.end.character}
        wire.change(uri, version, {"range": {"start": start, "end": end}, "text": new})
    answer = wire.call("m31r/documentText", {"uri": uri})
    assert answer == {"text": reference.text, "version": 4}
    wire.change(uri, 5, {"text": text})
    assert wire.call("m31r/documentText", {"uri": uri})["text"] == text


@pytest.fixture(scope="module")
def servers(server: Wire, bundle_path: str) -> object:
    made = {"utf-16": server}
    for encoding in ("utf-8", "utf-32"):
        made[encoding] = type(server)("--model", str(bundle_path), env={"M31R_DEBUG_REQUESTS": "1"})
        result = made[encoding].initialize(encodings=(encoding,))
        assert result["capabilities"]["positionEncoding"] == encoding
    yield made
    for encoding in ("utf-8", "utf-32"):
        made[encoding].kill()


@given(
    text=TEXTS,
    line=st.integers(0, 2**31 - 1) | st.integers(0, 5),
    character=st.integers(0, 2**31 - 1) | st.integers(0, 9),
    encoding=st.sampled_from(ENCODINGS),
)
def test_any_position_is_clamped(text: str, line: int, character: int, encoding: Encoding) -> None:
    document = Document("file:///a.rs", text, 1, encoding)
    position = types.Position(line, character)
    before, after = document.around(position)
    assert before + after == text
    clamped = document.clamp(position)
    assert document.around(clamped) == (before, after)
    assert document.clamp(clamped) == clamped
    where = types.Range(position, types.Position(0, 0))
    document.apply([types.TextDocumentContentChangePartial(where, "")], 2)
    assert document.text == after


def test_inside_a_character_is_its_start() -> None:
    assert character_index("a😀b", 2, "utf-16") == 1
    assert character_index("a😀b", 3, "utf-8") == 1
    assert [code_units("a😀b", encoding) for encoding in ENCODINGS] == [6, 4, 3]


def test_half_a_surrogate_pair_keeps_its_length() -> None:
    document = Document("file:///a.rs", "a\ud83db", 1, "utf-16")
    assert document.text == "a\ufffdb"
    assert document.around(types.Position(0, 2)) == ("a\ufffd", "b")


def test_a_deletion_is_noticed() -> None:
    document = Document("file:///a.rs", "let x;", 1, "utf-8")
    gone = types.Range(types.Position(0, 4), types.Position(0, 5))
    document.apply([types.TextDocumentContentChangePartial(gone, "")], 2)
    assert document.deleted
    document.apply([types.TextDocumentContentChangePartial(gone, "y")], 3)
    assert not document.deleted


def test_short_path() -> None:
    crate, inner = Path("/home/me/crate"), Path("/home/me/crate/inner")
    assert short_path("/home/me/crate/src/a.rs", [crate]) == "src/a.rs"
    assert short_path("/elsewhere/a.rs", [crate]) == "a.rs"
    assert short_path("/home/me/crate/inner/a.rs", [crate, inner]) == "inner/a.rs"
    assert short_path("/home/me/crate/src/a.rs", [crate, inner]) == "crate/src/a.rs"
    assert Document("file:///c%20d/a.rs", "", 1, "utf-8").path == "/c d/a.rs"
