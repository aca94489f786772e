"""What was suggested and is being typed: answered without the model."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from m31r_lsp.filters.cursor import Cursor

# What editors put behind the cursor when an opening bracket or quote is typed.
_AUTO_CLOSED = frozenset(")]}\"'>")


@dataclass(frozen=True)
class _Entry:
    """A suggestion and the lengths and hashes of the texts around it: files can be large."""

    prefix_length: int
    prefix_hash: int
    suffix_length: int
    suffix_hash: int
    text: str


class TypeThrough:
    """The latest suggestions, at most `capacity` of them, by document."""

    def __init__(self, capacity: int = 16) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()

    def remember(self, uri: str, cursor: Cursor, text: str) -> None:
        """Keep what was answered at `cursor`; an empty `text` is an answer too."""
        key = (uri, cursor.line_before)
        self._entries[key] = _Entry(
            len(cursor.prefix), hash(cursor.prefix), len(cursor.suffix), hash(cursor.suffix), text
        )
        self._entries.move_to_end(key)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def lookup(self, uri: str, cursor: Cursor) -> str | None:
        """Return what is left of a remembered suggestion, or None when it says nothing here.

        The text must be as it was but for a beginning of the suggestion, typed at its place, and
        the brackets that an editor closes on its own.
        """
        for (entry_uri, _), entry in reversed(self._entries.items()):
            if entry_uri != uri:
                continue
            rest = _rest(entry, cursor)
            if rest is not None:
                return rest
        return None

    def forget(self, uri: str) -> None:
        """Drop what is kept for a document that was closed."""
        for key in [key for key in self._entries if key[0] == uri]:
            del self._entries[key]

    def clear(self) -> None:
        """Drop everything, as when the model or the settings change."""
        self._entries.clear()


def _rest(entry: _Entry, cursor: Cursor) -> str | None:
    typed = cursor.prefix[entry.prefix_length :]
    more = len(cursor.suffix) - entry.suffix_length
    if len(cursor.prefix) < entry.prefix_length or more < 0:
        return None
    if not entry.text.startswith(typed) or (typed and len(typed) == len(entry.text)):
        return None
    if more > len(typed) or not set(cursor.suffix[:more]) <= _AUTO_CLOSED:
        return None
    if hash(cursor.prefix[: entry.prefix_length]) != entry.prefix_hash:
        return None
    if hash(cursor.suffix[more:]) != entry.suffix_hash:
        return None
    return entry.text[len(typed) :]
