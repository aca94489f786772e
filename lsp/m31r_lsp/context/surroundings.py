"""What is known beyond the open file: other files, where the user was, which names exist."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock

from m31r_core.prompt import Chunk
from m31r_lsp.context.gather import SOURCES, Source, gather
from m31r_lsp.context.index import Index, describe
from m31r_lsp.filters.cursor import Cursor
from m31r_lsp.scope.standard import standard_names

# Places where the user was, and lines around each on either side.
_PLACES = 6
_AROUND = 12


@dataclass(frozen=True)
class Size:
    """How much is known; `ready` once everything was read."""

    files: int
    items: int
    names: int
    ready: bool


class Surroundings:
    """Safe to use from several threads; nobody waits long for another.

    A file that is being edited is looked at again when another one asks for it: what its own
    suggestions need of it is its text.
    """

    def __init__(self, most_bytes: int, sources: Iterable[Source] = SOURCES) -> None:
        """Keep at most `most_bytes` of text and answer from `sources`."""
        self._sources = tuple(sources)
        self._lock = Lock()
        self._index = Index(most_bytes)
        self._edited: dict[str, str] = {}
        self._places: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._dependencies: set[str] = set()
        self._complete = False
        self._answered: tuple[object, tuple[Chunk, ...]] = (None, ())

    def read(self, path: str, text: str) -> None:
        """Know a file as it lies on the disk, unless the editor knows better."""
        file = describe(text)
        with self._lock:
            if path not in self._edited:
                self._index.update(path, file)

    def read_library(self, path: str, text: str) -> None:
        """Know the items of a dependency's file."""
        file = describe(text, library=True)
        with self._lock:
            self._index.update(path, file)

    def edited(self, path: str, text: str, line: int) -> None:
        """Know a file as the editor has it, the user being at `line`, counted from 0."""
        with self._lock:
            self._edited[path] = text
            self._places[path] = (text, line)
            self._places.move_to_end(path)
            while len(self._places) > _PLACES:
                self._places.popitem(last=False)

    def closed(self, path: str, text: str | None) -> None:
        """A file is no longer open, or was changed or deleted (None) on the disk."""
        file = None if text is None else describe(text)
        with self._lock:
            self._edited.pop(path, None)
            if file is None:
                self._index.remove(path)
                self._places.pop(path, None)
            else:
                self._index.update(path, file)

    def add_names(self, names: Iterable[str]) -> None:
        """Know names of dependencies."""
        with self._lock:
            self._dependencies.update(names)

    def complete(self, complete: bool) -> None:
        """Say whether all names are known now: a name that is not known exists nowhere then."""
        with self._lock:
            self._complete = complete

    def limit(self, most_bytes: int) -> None:
        """Keep at most so much text from now on."""
        with self._lock:
            self._index.most_bytes = most_bytes

    def clear(self) -> None:
        """Forget what was read; what the editor has open stays."""
        with self._lock:
            self._index.clear()
            self._dependencies.clear()
            self._complete = False

    def size(self) -> Size:
        """Return how much is known."""
        with self._lock:
            unread = sum(path not in self._index for path in self._edited)
            return Size(
                self._index.files + unread,
                self._index.items,
                len(self._dependencies),
                self._complete,
            )

    def around(self, path: str, cursor: Cursor) -> tuple[Chunk, ...]:
        """Return pieces of other files that help at a place, the best last.

        They are the same for the whole line: what they are computed from ends with the line above.
        """
        line = len(cursor.prefix) - len(cursor.line_before)
        above = Cursor(cursor.prefix[:line], cursor.suffix.partition("\n")[2])
        self._look_again(path)
        with self._lock:
            key = (path, above, tuple(self._places), self._index.changes)
            if self._answered[0] != key:
                found = gather(self._index, path, above, self._recent(path), self._sources)
                self._answered = (key, found)
            return self._answered[1]

    def exists(self, name: str) -> bool:
        """Say whether a name stands in a file of the workspace, or a library has it.

        True as long as not everything was read.
        """
        with self._lock:
            return (
                not self._complete
                or name in standard_names()
                or name in self._dependencies
                or self._index.has_name(name)
                or any(name in text for text in self._edited.values())
            )

    def _look_again(self, active: str) -> None:
        """Describe what was edited meanwhile; not under the lock, for which the loop may wait."""
        with self._lock:
            stale = [
                (path, text)
                for path, text in self._edited.items()
                if path != active and not self._index.has(path, text)
            ]
        for path, text in stale:
            file = describe(text)
            with self._lock:
                self._index.update(path, file)

    def _recent(self, active: str) -> list[Chunk]:
        found = []
        for path, (text, line) in self._places.items():
            if path != active:
                lines = text.splitlines(keepends=True)
                first = max(line - _AROUND, 0)
                found.append(Chunk(path, "".join(lines[first : line + _AROUND])))
        return found
