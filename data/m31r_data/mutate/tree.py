"""A Rust file as the mutators see it: the nodes that may be changed, and who uses which name."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from tree_sitter import Node, Query, QueryCursor

from m31r_core.repair.source import ITEMS, SourceText, field
from m31r_core.syntax import kind_query

LARGEST = 2_000
"""Bytes that one change may replace: what a person gets wrong at once fits on a screen."""

_EVERYTHING = ("_",)
_SEALED = frozenset({"macro_definition", "token_tree", "token_tree_pattern", "attribute_item"})
_GATE = re.compile(rb"\btest\b|\bcfg\s*\(|\bcfg_attr\b|\bbench\b|\bdoc\s*\(")
_ALWAYS = re.compile(rb'cfg\s*\(\s*feature\s*=\s*"(std|alloc|default)"\s*\)')
_COMMENTS = ("line_comment", "block_comment")


class Change(NamedTuple):
    """Put `new` in the place of the bytes `start` to `end`."""

    start: int
    end: int
    new: bytes


class Call(NamedTuple):
    """A method call: `node` is the whole of it, `name` the name's node."""

    node: Node
    receiver: Node
    name: Node
    arguments: list[Node]

    @property
    def method(self) -> bytes:
        """The name."""
        return self.name.text or b""


class SourceTree:
    """One file. Offsets are in bytes.

    What a library's build does not compile, or compiles without knowing its text, is left out of
    `nodes`: macro definitions, the tokens of macro calls other than those that take expressions,
    attributes, tests, and items behind a `cfg`.
    """

    def __init__(self, text: bytes) -> None:
        """Look at the whole text of a file; it need not parse."""
        self.text = text
        self.source = SourceText("", text)
        self._open: dict[str, list[Node]] = {}

    @cached_property
    def _by_kind(self) -> dict[str, list[Node]]:
        captured = QueryCursor(_any_node()).captures(self.source.tree.root_node).get("it", [])
        captured.sort(key=lambda node: (node.start_byte, -node.end_byte))
        found: dict[str, list[Node]] = {}
        for node in captured:
            found.setdefault(node.type, []).append(node)
        return found

    @cached_property
    def _sealed(self) -> tuple[list[int], list[int]]:
        """Where ranges that are left out begin and end, sorted, none within another."""
        ranges = [
            (node.start_byte, node.end_byte)
            for kind in sorted(_SEALED)
            for node in self._by_kind.get(kind, [])
        ]
        for node in self._by_kind.get("attribute_item", []):
            text = self.of(node)
            if _GATE.search(text) and not _ALWAYS.search(text):
                item = next_code(node)
                if item is not None:
                    ranges.append((node.start_byte, item.end_byte))
        starts: list[int] = []
        ends: list[int] = []
        for start, end in sorted(ranges, key=lambda span: (span[0], -span[1])):
            if not ends or start >= ends[-1]:
                starts.append(start)
                ends.append(end)
        return starts, ends

    def is_sealed(self, offset: int) -> bool:
        """Whether the byte lies in something that is left out."""
        starts, ends = self._sealed
        place = bisect_left(starts, offset + 1) - 1
        return place >= 0 and offset < ends[place]

    def nodes(self, *kinds: str) -> Iterator[Node]:
        """Yield the nodes of these kinds that may be changed, each kind in the file's order."""
        for kind in kinds:
            if kind not in self._open:
                self._open[kind] = [
                    node
                    for node in self._by_kind.get(kind, [])
                    if not self.is_sealed(node.start_byte)
                ]
            yield from self._open[kind]

    def attributes(self) -> Iterator[Node]:
        """Yield the attributes of items that may be changed."""
        for node in self._by_kind.get("attribute_item", []):
            item = next_code(node)
            if item is not None and not self.is_sealed(item.start_byte):
                yield node

    def of(self, node: Node | None) -> bytes:
        """Return the text of a node, nothing for None."""
        return b"" if node is None else self.text[node.start_byte : node.end_byte]

    def calls(self) -> Iterator[Node]:
        """Yield the calls of functions and methods, not those of macros."""
        for node in self.nodes("call_expression"):
            if not self.is_macro(node):
                yield node

    def is_macro(self, call: Node) -> bool:
        """Whether this call is of a macro that takes expressions."""
        function = call.child_by_field_name("function")
        return function is not None and self.text[function.end_byte - 1 : function.end_byte] == b"!"

    def methods(self, *names: bytes) -> Iterator[Call]:
        """Yield the method calls of these names, of all names where none is given."""
        for call in self._methods:
            if not names or call.method in names:
                yield call

    @cached_property
    def _methods(self) -> list[Call]:
        found = []
        for node in self.calls():
            function = node.child_by_field_name("function")
            if function is not None and function.type == "generic_function":
                function = function.child_by_field_name("function")
            if function is None or function.type != "field_expression":
                continue
            receiver, name = field(function, "value"), field(function, "field")
            if receiver is not None and name is not None and name.type == "field_identifier":
                found.append(Call(node, receiver, name, arguments(node)))
        return found

    @cached_property
    def _uses(self) -> dict[bytes, tuple[list[int], list[Node]]]:
        uses: dict[bytes, tuple[list[int], list[Node]]] = {}
        for kind in ("identifier", "self"):
            for node in self._by_kind.get(kind, []):
                if node.parent is None or node.parent.type in ("lifetime", "label"):
                    continue
                starts, nodes = uses.setdefault(self.of(node), ([], []))
                starts.append(node.start_byte)
                nodes.append(node)
        return uses

    def uses(self, name: bytes, start: int, end: int) -> list[Node]:
        """Return the identifiers of this name between two offsets, those in macros too."""
        starts, nodes = self._uses.get(name, ([], []))
        return nodes[bisect_left(starts, start) : bisect_left(starts, end)]

    @cached_property
    def _nest(self) -> tuple[list[tuple[int, int, bool]], list[int]]:
        """Items and bodies of functions by start, and for each which one it lies in.

        The flag says that it is the body of a function whose errors stay inside.
        """
        ranges: list[tuple[int, int, bool]] = []
        for kind in sorted(ITEMS):
            for node in self._by_kind.get(kind, []):
                ranges.append((node.start_byte, node.end_byte, False))
                body = field(node, "body") if kind == "function_item" else None
                if body is not None and _keeps_errors(self.text[node.start_byte : body.start_byte]):
                    ranges.append((body.start_byte, body.end_byte, True))
        ranges.sort(key=lambda each: (each[0], -each[1]))
        parents: list[int] = []
        open_: list[int] = []
        for place, (start, _, _) in enumerate(ranges):
            while open_ and ranges[open_[-1]][1] <= start:
                open_.pop()
            parents.append(open_[-1] if open_ else -1)
            open_.append(place)
        return ranges, parents

    def scope(self, start: int, end: int) -> tuple[int, int] | None:
        """Return the body of the function that errors of a change here stay in; see Mutation."""
        ranges, parents = self._nest
        place = bisect_left(ranges, (start, 0, False)) - 1
        while place >= 0 and not (ranges[place][0] < start and end < ranges[place][1]):
            place = parents[place]
        if place < 0 or not ranges[place][2]:
            return None
        return ranges[place][0], ranges[place][1]


def _any_node() -> Query:
    return kind_query(_EVERYTHING)


_LEAKS = re.compile(rb"\b(const|async)\s+(unsafe\s+|extern\b.*)*fn\b|\bimpl\b")


def _keeps_errors(head: bytes) -> bool:
    """Whether a function with this text before its body keeps errors of the body to itself.

    The type of what it returns must be written out, and nobody may compute it at compile time.
    """
    opening = head.find(b"->")
    leaks = _LEAKS.search(head)
    return leaks is None or (leaks.group() == b"impl" and b"impl" not in head[max(opening, 0) :])


def code(node: Node | None) -> list[Node]:
    """Return the named children that are not comments."""
    found = [] if node is None else node.named_children
    return [child for child in found if child.type not in _COMMENTS]


def next_code(node: Node) -> Node | None:
    """Return the next sibling that is neither comment nor attribute."""
    after = node.next_named_sibling
    while after is not None and (after.type in _COMMENTS or after.type == "attribute_item"):
        after = after.next_named_sibling
    return after


def arguments(call: Node) -> list[Node]:
    """Return the arguments of a call."""
    return code(field(call, "arguments"))


def child(node: Node | None, *kinds: str) -> Node | None:
    """Return the first child of one of these kinds."""
    for each in [] if node is None else node.children:
        if each.type in kinds:
            return each
    return None


def around(node: Node | None, *kinds: str) -> Node | None:
    """Return the innermost node of one of these kinds that `node` is part of, or is."""
    while node is not None and node.type not in kinds:
        node = node.parent
    return node


def replace(node: Node, new: bytes) -> Change:
    """Return the change that puts `new` in the place of a node."""
    return Change(node.start_byte, node.end_byte, new)


def insert(offset: int, new: bytes) -> Change:
    """Return the change that inserts `new`."""
    return Change(offset, offset, new)


def cut(tree: SourceTree, node: Node) -> Change:
    """Return the change that takes a node away: its line too, or the space behind it."""
    start, end = node.start_byte, node.end_byte
    line, line_end = tree.source.line_start(start), tree.source.line_end(end)
    if not tree.text[line:start].strip() and not tree.text[end:line_end].strip(b" \t\r\n,"):
        return Change(line, line_end, b"")
    if tree.text[end : end + 1] == b" ":
        end += 1
    return Change(start, end, b"")


def cut_from_list(tree: SourceTree, node: Node) -> Change:
    """Return the change that takes an element of a comma-separated list away, and one comma."""
    after, before = node.next_sibling, node.prev_sibling
    if after is not None and after.type == ",":
        end = after.end_byte
        line, line_end = tree.source.line_start(node.start_byte), tree.source.line_end(end)
        if not tree.text[line : node.start_byte].strip() and not tree.text[end:line_end].strip():
            return Change(line, line_end, b"")
        while tree.text[end : end + 1] in (b" ", b"\t"):
            end += 1
        return Change(node.start_byte, end, b"")
    if before is not None and before.type == ",":
        return Change(before.start_byte, node.end_byte, b"")
    return Change(node.start_byte, node.end_byte, b"")
