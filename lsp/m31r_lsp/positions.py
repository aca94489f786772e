"""Byte offsets, which rustc counts, as an editor's positions, and back."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence

from lsprotocol import types

from m31r_core.repair.edits import Edit, overlap
from m31r_lsp.documents import Encoding, character_index, code_units

_LINE_END = re.compile(rb"\r\n|\n|\r")


class ByteLines:
    """Where the lines of a UTF-8 text begin. Line ends are those of LSP: \\n, \\r\\n and \\r."""

    def __init__(self, text: bytes, encoding: Encoding) -> None:
        """Index `text`; positions count in code units of `encoding`."""
        self._text = text
        self._encoding: Encoding = encoding
        ends = [match.span() for match in _LINE_END.finditer(text)]
        self._starts = [0, *(end for _, end in ends)]
        self._ends = [*(start for start, _ in ends), len(text)]

    def position(self, offset: int) -> types.Position:
        """Return the position of a byte; inside a line end or past the text, the nearest before.

        A byte inside a character has the position of the character.
        """
        line = bisect_right(self._starts, min(offset, len(self._text))) - 1
        start = self._starts[line]
        before = self._text[start : min(offset, self._ends[line])].decode("utf-8", "ignore")
        return types.Position(line, code_units(before, self._encoding))

    def range(self, start: int, end: int) -> types.Range:
        """Return the range from byte `start` to byte `end`."""
        return types.Range(self.position(start), self.position(end))

    def offset(self, position: types.Position) -> int:
        """Return the byte of a position, clamped as in `Document`."""
        if position.line >= len(self._starts):
            return len(self._text)
        start, end = self._starts[position.line], self._ends[position.line]
        line = self._text[start:end].decode("utf-8", "replace")
        index = character_index(line, position.character, self._encoding)
        return start + len(line[:index].encode())

    @property
    def line_end(self) -> str:
        """The line end that the text has most, \\n where it has none."""
        crlf = self._text.count(b"\r\n")
        return "\r\n" if crlf > self._text.count(b"\n") - crlf else "\n"


def with_line_ends(text: bytes, edits: Sequence[Edit]) -> list[Edit]:
    """Return the edits of one file with the line ends that `text` has, never splitting one.

    Raises ValueError for edits that overlap, reach past the end or into a character.
    """
    lines = ByteLines(text, "utf-8")
    made: list[Edit] = []
    for edit in edits:
        if edit.end > len(text):
            raise ValueError(f"{edit.path}: an edit reaches to byte {edit.end} of {len(text)}")
        start, end = edit.start, edit.end
        if any(0 < at < len(text) and text[at] & 0xC0 == 0x80 for at in (start, end)):
            raise ValueError(f"{edit.path}: an edit begins or ends inside a character")
        new = edit.text
        # A place between \r and \n has no position in an editor.
        if text[start - 1 : start + 1] == b"\r\n" and start > 0:
            start, new = start - 1, "\r" + new
        if text[end - 1 : end + 1] == b"\r\n" and end > 0:
            end, new = end + 1, new + "\n"
        if lines.line_end == "\r\n":
            # What begins with a newline behind a carriage return makes one line end with it.
            before = "\r" if text.endswith(b"\r", 0, start) else ""
            new = re.sub(r"(?<!\r)\n", "\r\n", before + new).removeprefix(before)
        made.append(Edit(edit.path, start, end, new))
    if overlap(made):
        raise ValueError(f"{made[0].path}: overlapping edits")
    return sorted(set(made))


def text_edits(
    text: bytes, edits: Sequence[Edit], encoding: Encoding
) -> list[tuple[types.Range, str]]:
    """Return the edits of one file as an editor takes them, no longer than they must be.

    Raises ValueError as `with_line_ends`.
    """
    lines = ByteLines(text, encoding)
    made = []
    for edit in with_line_ends(text, edits):
        start, end, new = _shortest(text, edit)
        if start < end or new:
            made.append((lines.range(start, end), new))
    return made


def _shortest(text: bytes, edit: Edit) -> tuple[int, int, str]:
    """Leave out what an edit has in common with the text that it replaces, whole lines apart."""
    old, new = text[edit.start : edit.end].decode(), edit.text
    first = 0
    while first < min(len(old), len(new)) and old[first] == new[first]:
        first += 1
    last = 0
    while last < min(len(old), len(new)) - first and old[-1 - last] == new[-1 - last]:
        last += 1
    # Never between \r and \n.
    if old[first - 1 : first] == "\r" and first:
        first -= 1
    if last and old[len(old) - last] == "\n":
        last -= 1
    start = edit.start + len(old[:first].encode())
    end = edit.end - len(old[len(old) - last :].encode())
    return start, end, new[first : len(new) - last]
