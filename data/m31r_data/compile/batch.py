"""Several mutants in one text: which can go together, and where each place of it lies alone.

rustc goes on after an error in a body, so that mutants in different bodies can be told apart by
where their errors are.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tree_sitter import Node, Tree

from m31r_core.syntax import parse
from m31r_data.mutate.mutation import Mutation

Functions = Mapping[int, tuple[int, int]]
"""By the number of a mutant, the first and last byte of the function that it lies in."""


@dataclass(frozen=True)
class Mutant:
    """A mutation of the file `path`, relative to the crate's folder."""

    path: str
    mutation: Mutation


@dataclass(frozen=True)
class Edit:
    """Replace the bytes `start` to `end` by `new`; `owner` is the number of a mutant."""

    start: int
    end: int
    new: bytes
    owner: int


class Edited:
    """A text with edits that do not overlap, and where its places lie in other versions of it."""

    def __init__(self, original: bytes, edits: Sequence[Edit]) -> None:
        """Apply `edits` to `original`."""
        self.original = original
        self.edits = sorted(edits, key=lambda edit: (edit.start, edit.end))
        parts: list[bytes] = []
        self._starts: list[int] = []
        at = length = 0
        for edit in self.edits:
            parts += [original[at : edit.start], edit.new]
            length += edit.start - at
            self._starts.append(length)
            length += len(edit.new)
            at = edit.end
        self.text = b"".join([*parts, original[at:]])
        """The text with all edits."""

    def forward(self, place: int) -> int:
        """Map a place of the original, outside of what is edited, to the text."""
        return place + sum(
            len(edit.new) - (edit.end - edit.start) for edit in self.edits if edit.end <= place
        )

    def alone(self, place: int, owner: int) -> int | None:
        """Map a place of the text to the original with the edits of `owner` alone.

        None for a place in or at an edit of others that leaves no doubt out.
        """
        shift = own = 0
        for edit, start in zip(self.edits, self._starts, strict=True):
            if place < start:
                break
            delta = len(edit.new) - (edit.end - edit.start)
            if edit.owner == owner:
                if place <= start + len(edit.new):
                    return place - shift + own
                own += delta
            elif place <= start + len(edit.new):
                if edit.new and place == start:
                    return place - shift + own
                return None
            shift += delta
        return place - shift + own

    def touches(self, start: int, end: int, owner: int) -> bool:
        """Whether an edit of others lies on the lines of the bytes `start` to `end`, or next to."""
        first = self.text.rfind(b"\n", 0, max(0, self.text.rfind(b"\n", 0, start))) + 1
        last = self.text.find(b"\n", end)
        last = self.text.find(b"\n", last + 1) if last >= 0 else last
        last = len(self.text) if last < 0 else last
        return any(
            edit.owner != owner and at <= last and at + len(edit.new) >= first
            for edit, at in zip(self.edits, self._starts, strict=True)
        )


class Lines:
    """Which line a byte is on, and where lines begin; lines count from 1."""

    def __init__(self, text: bytes) -> None:
        """Index `text`."""
        self._starts = [0, *(match.end() for match in re.finditer(rb"\n", text))]

    def of(self, place: int) -> int:
        """Return the line of the byte `place`."""
        return bisect_right(self._starts, place)

    def start(self, line: int) -> int | None:
        """Return the first byte of the line; None where there is no such line."""
        return self._starts[line - 1] if 0 < line <= len(self._starts) else None


class Batch:
    """Mutants of one crate that are tried in one run of rustc. `texts` are the unbroken files."""

    def __init__(
        self, mutants: Mapping[int, Mutant], texts: Mapping[str, bytes], functions: Functions
    ) -> None:
        """Lay the mutants, by their numbers, over the files they change."""
        self.mutants = dict(mutants)
        self._functions = functions
        self._texts = texts
        edits: dict[str, list[Edit]] = {}
        for number, mutant in self.mutants.items():
            mutation = mutant.mutation
            found = edits.setdefault(mutant.path, [])
            found.append(Edit(mutation.start, mutation.end, mutation.new, number))
        self.files = {path: Edited(texts[path], found) for path, found in edits.items()}
        self._line_tables: dict[tuple[int | None, str], Lines] = {}

    @cached_property
    def scopes(self) -> Mapping[str, Sequence[tuple[int, int, int]]]:
        """By file: first and last byte of the function around each scope, and its mutant."""
        found: dict[str, list[tuple[int, int, int]]] = {}
        for number, mutant in self.mutants.items():
            function = self._functions.get(number)
            if function is not None:
                file = self.files[mutant.path]
                place = (file.forward(function[0]), file.forward(function[1]), number)
                found.setdefault(mutant.path, []).append(place)
        return found

    def owner(self, path: str, start: int, end: int) -> int | None:
        """Return the mutant whose function these bytes of a file lie in."""
        for first, last, number in self.scopes.get(os.path.normpath(path), ()):
            if first <= start and end <= last:
                return number
        return None

    def alone(self, number: int, path: str, start: int, end: int) -> tuple[int, int] | None:
        """Return where these bytes of a file lie when the mutant `number` is tried alone.

        None where there is a doubt, or where others changed the lines that rustc shows.
        """
        file = self.files.get(os.path.normpath(path))
        if file is None:
            return start, end
        first, last = file.alone(start, number), file.alone(end, number)
        if first is None or last is None or file.touches(start, end, number):
            return None
        return first, last

    def line_alone(self, number: int, path: str, line: int) -> int | None:
        """Return which line, from 1, a line of a file is when the mutant is tried alone.

        None where it is not there or was changed by others.
        """
        path = os.path.normpath(path)
        file = self.files.get(path)
        if file is None:
            return line
        start = self._lines(None, path).start(line)
        if start is None or file.touches(start, start, number):
            return None
        found = file.alone(start, number)
        return None if found is None else self._lines(number, path).of(found)

    def _lines(self, number: int | None, path: str) -> Lines:
        """The lines of a file with this mutant alone, with all of them for None."""
        if (number, path) not in self._line_tables:
            text = self.files[path].text
            if number is not None:
                text, mutant = self._texts[path], self.mutants[number]
                mutation = mutant.mutation
                if mutant.path == path:
                    text = text[: mutation.start] + mutation.new + text[mutation.end :]
            self._line_tables[number, path] = Lines(text)
        return self._line_tables[number, path]


def functions_of(mutants: Mapping[int, Mutant], texts: Mapping[str, bytes]) -> Functions:
    """Return where the functions lie that keep the errors of their mutants to themselves.

    Mutants that can only be tried alone are left out.
    """
    trees: dict[str, Tree] = {}
    found: dict[int, tuple[int, int]] = {}
    for number, mutant in mutants.items():
        scope = mutant.mutation.scope
        if scope is None or mutant.mutation.phase == "syntax":
            continue
        if mutant.path not in trees:
            trees[mutant.path] = parse(texts[mutant.path])
        function = _function(trees[mutant.path], scope)
        if function is not None:
            found[number] = function
    return found


def plan(
    mutants: Mapping[int, Mutant], functions: Functions, size: int
) -> Iterator[dict[int, Mutant]]:
    """Yield the mutants in groups of at most `size` that can be tried together, each once."""
    groups: list[dict[int, Mutant]] = []
    taken: list[dict[str, list[tuple[int, int]]]] = []
    alone: list[dict[int, Mutant]] = []
    for number, mutant in mutants.items():
        if number not in functions:
            alone.append({number: mutant})
            continue
        start, end = functions[number]
        for group, ranges in zip(groups, taken, strict=True):
            there = ranges.setdefault(mutant.path, [])
            if len(group) < size and all(end <= a or b <= start for a, b in there):
                group[number] = mutant
                there.append((start, end))
                break
        else:
            groups.append({number: mutant})
            taken.append({mutant.path: [(start, end)]})
    yield from groups
    yield from alone


def _function(tree: Tree, scope: tuple[int, int]) -> tuple[int, int] | None:
    """Return where the function with this body lies; None where others can feel what is in it.

    They can for `impl Trait` in the return type and for `async`, whose real types come from the
    body, and for `const fn`, which is run by the compiler.
    """
    node: Node | None = tree.root_node.descendant_for_byte_range(*scope)
    while node is not None and node.type != "function_item":
        if (node.start_byte, node.end_byte) != scope:
            return None
        node = node.parent
    if node is None:
        return None
    for child in node.children:
        words = {word.type for word in child.children}
        if child.type == "function_modifiers" and words & {"async", "const"}:
            return None
    returned = node.child_by_field_name("return_type")
    if returned is not None and b"impl" in (returned.text or b""):
        return None
    return node.start_byte, node.end_byte
