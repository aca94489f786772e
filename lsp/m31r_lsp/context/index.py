"""The workspace's files: their items by name, and pieces of them by the names that stand in them.

In memory, of bounded size, for one thread.
"""

from __future__ import annotations

import math
from array import array
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from m31r_lsp.context.outline import Item, outline
from m31r_lsp.context.words import names

# Lines in a piece; a name in more than this share of all pieces says nothing.
_LINES = 24
_COMMON = 0.1
_FEW = 20


@dataclass(frozen=True)
class Piece:
    """Consecutive lines of a file, the first one's number counted from 0."""

    path: str
    line: int
    text: str


@dataclass(frozen=True)
class Described:
    """A file: its items, its names, and the names in each of its pieces."""

    text: str
    items: tuple[Item, ...]
    names: frozenset[str]
    pieces: tuple[frozenset[str], ...]


def describe(text: str, *, library: bool = False) -> Described:
    """Describe a file as it is now; of a `library`'s only the items, not the lines."""
    lines = text.splitlines(keepends=True)
    pieces = tuple(
        frozenset(names("".join(lines[first : first + _LINES])))
        for first in range(0, 0 if library else len(lines), _LINES)
    )
    return Described(text, outline(text), frozenset(names(text)), pieces)


class Index:
    """Files by path. Beyond `most_bytes` of text the files looked at longest ago are dropped.

    `size` is the length of all texts, `changes` counts what could change an answer.
    """

    def __init__(self, most_bytes: int) -> None:
        self.size = 0
        self.changes = 0
        self.most_bytes = most_bytes
        self._files: OrderedDict[str, Described] = OrderedDict()
        self._numbers: dict[str, list[int]] = {}
        self._items: defaultdict[str, list[tuple[str, Item]]] = defaultdict(list)
        self._pieces: dict[int, tuple[str, int]] = {}
        self._places: defaultdict[str, array[int]] = defaultdict(lambda: array("I"))
        self._next = 0

    def __contains__(self, path: str) -> bool:
        return path in self._files

    @property
    def files(self) -> int:
        """How many files are known."""
        return len(self._files)

    @property
    def items(self) -> int:
        """How many items are known."""
        return sum(len(file.items) for file in self._files.values())

    def has(self, path: str, text: str) -> bool:
        """Say whether a file is known with this text; it is not dropped soon then."""
        known = self._files.get(path)
        if known is None or known.text != text:
            return False
        self._files.move_to_end(path)
        return True

    def update(self, path: str, file: Described) -> None:
        """Know a file as it is described."""
        self.remove(path)
        self.changes += 1
        # The pieces' names are in the places, where they take less room.
        self._files[path] = replace(file, pieces=())
        self.size += len(file.text)
        for item in file.items:
            self._items[item.name].append((path, item))
            if item.owner:
                self._items[item.owner].append((path, item))
        numbers = self._numbers[path] = []
        for place, names_of_piece in enumerate(file.pieces):
            number, self._next = self._next, self._next + 1
            self._pieces[number] = (path, place * _LINES)
            numbers.append(number)
            for name in names_of_piece:
                self._places[name].append(number)
        while self.size > self.most_bytes and len(self._files) > 1:
            self.remove(next(iter(self._files)))

    def remove(self, path: str) -> None:
        """Forget a file."""
        file = self._files.pop(path, None)
        if file is None:
            return
        self.changes += 1
        self.size -= len(file.text)
        for item in file.items:
            for name in {item.name, item.owner} - {""}:
                left = [each for each in self._items[name] if each[0] != path]
                if left:
                    self._items[name] = left
                else:
                    self._items.pop(name)
        for number in self._numbers.pop(path):
            del self._pieces[number]
        if self._next > 2 * len(self._pieces) + 1_000:
            self._sweep()

    def clear(self) -> None:
        """Forget all files."""
        for path in list(self._files):
            self.remove(path)

    def defined(self, name: str) -> Iterator[tuple[str, Item]]:
        """Yield the items of that name and those that belong to it, each with its path."""
        yield from self._items.get(name, ())

    def has_name(self, name: str) -> bool:
        """Say whether the name stands in any file."""
        return any(name in file.names for file in self._files.values())

    def similar(self, wanted: Mapping[str, float], without: Iterable[str], n: int) -> list[Piece]:
        """Return the `n` pieces whose names weigh most, by `wanted` and by how rare they are.

        Pieces of the files `without` are left out. The best comes first.
        """
        left_out = frozenset(without)
        total = max(len(self._pieces), 1)
        scores: defaultdict[int, float] = defaultdict(float)
        for name, weight in wanted.items():
            places = self._places.get(name)
            if not places or (len(places) > _FEW and len(places) > _COMMON * total):
                continue
            value = weight * math.log(1 + total / len(places))
            for number in places:
                scores[number] += value
        best = sorted(
            (
                (-score, number)
                for number, score in scores.items()
                if number in self._pieces and self._pieces[number][0] not in left_out
            ),
        )[:n]
        return [self._piece(number) for _, number in best]

    def _piece(self, number: int) -> Piece:
        path, first = self._pieces[number]
        lines = self._files[path].text.splitlines(keepends=True)[first : first + _LINES]
        return Piece(path, first, "".join(lines))

    def _sweep(self) -> None:
        """Drop the places of pieces that are gone, and number the others anew."""
        renumbered = {number: i for i, number in enumerate(self._pieces)}
        self._pieces = {renumbered[number]: piece for number, piece in self._pieces.items()}
        for path, numbers in self._numbers.items():
            self._numbers[path] = [renumbered[number] for number in numbers]
        for name in list(self._places):
            kept = array("I", (renumbered[n] for n in self._places[name] if n in renumbered))
            if kept:
                self._places[name] = kept
            else:
                del self._places[name]
        self._next = len(self._pieces)
