"""Ghost text that did not compile, so that it is not offered again at its place."""

from __future__ import annotations

from collections import OrderedDict

from m31r_lsp.filters.cursor import Cursor

# Characters before the line and behind the cursor that make a place.
_BEFORE = 400
_BEHIND = 200


class Refused:
    """The latest refusals, at most `capacity` of them. For the loop's thread."""

    def __init__(self, capacity: int = 256) -> None:
        self._capacity = capacity
        self._lines: OrderedDict[int, None] = OrderedDict()

    def add(self, uri: str, cursor: Cursor, text: str) -> None:
        """Remember that `text` at the cursor does not compile."""
        self._lines[_key(uri, cursor, text)] = None
        while len(self._lines) > self._capacity:
            self._lines.popitem(last=False)

    def __contains__(self, place: tuple[str, Cursor, str]) -> bool:
        """Whether (uri, cursor, text) would make a line that was refused here."""
        return _key(*place) in self._lines

    def clear(self) -> None:
        """Forget all, as when the files on the disk have changed."""
        self._lines.clear()


def _key(uri: str, cursor: Cursor, text: str) -> int:
    """What stays the same while the refused text is being typed."""
    line = cursor.line_before
    before = cursor.prefix[: len(cursor.prefix) - len(line)]
    return hash((uri, before[-_BEFORE:], line + text, cursor.suffix[:_BEHIND]))
