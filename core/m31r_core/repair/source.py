"""A Rust file as the templates see it: bytes, syntax tree, lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache

from tree_sitter import Node, QueryCursor, Tree

from m31r_core.repair.edits import Edit
from m31r_core.syntax import kind_query, parse

ITEMS = frozenset(
    {
        "function_item",
        "function_signature_item",
        "struct_item",
        "enum_item",
        "union_item",
        "trait_item",
        "impl_item",
        "mod_item",
        "use_declaration",
        "const_item",
        "static_item",
        "type_item",
        "associated_type",
        "macro_definition",
        "extern_crate_declaration",
        "foreign_mod_item",
    }
)
_CALLED_MACRO = re.compile(
    rb"\b((?:e?print|write|debug_assert|assert)(?:ln|_eq|_ne)?|format|panic|dbg|unreachable)!"
    rb"(?=\s*\()"
)
STATEMENTS = frozenset({"let_declaration", "expression_statement", "empty_statement"})


class SourceText:
    """One file. All offsets are in bytes."""

    def __init__(self, path: str, text: bytes) -> None:
        """Look at `text`, the whole of the file that diagnostics call `path`."""
        self.path = path
        self.text = text

    @cached_property
    def tree(self) -> Tree:
        """The syntax tree; errors are nodes of it.

        To the grammar the arguments of a macro are loose tokens. Those of the macros that take
        expressions are parsed as calls, so that a template finds its way in them as elsewhere.
        """
        return parse(_CALLED_MACRO.sub(rb"\1_", self.text))

    def slice(self, start: int, end: int) -> str:
        """Return the text from `start` to `end`."""
        return self.text[start:end].decode("utf-8", "replace")

    def of(self, node: Node) -> str:
        """Return the text of a node."""
        return self.slice(node.start_byte, node.end_byte)

    def node(self, start: int, end: int) -> Node:
        """Return the largest named node among the smallest that cover the range."""
        root = self.tree.root_node
        node = root.named_descendant_for_byte_range(start, end) or root
        while (
            node.parent is not None
            and node.parent.parent is not None
            and (node.parent.start_byte, node.parent.end_byte) == (node.start_byte, node.end_byte)
        ):
            node = node.parent
        return node

    def exactly(self, start: int, end: int, kinds: Sequence[str]) -> Node:
        """Return the node of one of these kinds that begins at `start` and ends at `end`."""
        node: Node | None = self.tree.root_node.descendant_for_byte_range(start, end)
        while node is not None and not (node.type in kinds and node.start_byte == start):
            node = node.parent
        return node or self.tree.root_node

    def around(self, start: int, end: int, *kinds: str) -> Node | None:
        """Return the innermost node of one of these kinds that covers the range."""
        node: Node | None = self.tree.root_node.descendant_for_byte_range(start, end)
        while node is not None and node.type not in kinds:
            node = node.parent
        return node

    def walk(self, *kinds: str) -> Iterator[Node]:
        """Yield the nodes of these kinds in the order of the file."""
        yield from walk(self.tree.root_node, *kinds)

    def line_start(self, offset: int) -> int:
        """Return where the line of `offset` begins."""
        return self.text.rfind(b"\n", 0, offset) + 1

    def line_end(self, offset: int) -> int:
        """Return where the line of `offset` ends, its line break included."""
        end = self.text.find(b"\n", offset)
        return len(self.text) if end < 0 else end + 1

    def indent(self, offset: int) -> str:
        """Return the white space that the line of `offset` begins with."""
        start = self.line_start(offset)
        line = self.text[start : self.line_end(offset)]
        return line[: len(line) - len(line.lstrip(b" \t"))].decode()

    def replace(self, node: Node, text: str) -> Edit:
        """Return the edit that puts `text` in the place of a node."""
        return Edit(self.path, node.start_byte, node.end_byte, text)

    def insert(self, offset: int, text: str) -> Edit:
        """Return the edit that inserts `text`."""
        return Edit(self.path, offset, offset, text)

    def wrap(self, node: Node, before: str, after: str) -> Edit:
        """Return the edit that puts `before` and `after` around a node."""
        return self.replace(node, f"{before}{self.of(node)}{after}")

    def remove(self, node: Node) -> Edit:
        """Return the edit that takes a node away, with its line where nothing else is on it."""
        start, end = node.start_byte, node.end_byte
        line, line_end = self.line_start(start), self.line_end(end)
        if not self.text[line:start].strip() and not self.text[end:line_end].strip():
            start, end = line, line_end
        return Edit(self.path, start, end, "")

    def remove_from_list(self, node: Node) -> Edit:
        """Return the edit that takes one element of a comma-separated list away."""
        start, end = node.start_byte, node.end_byte
        after = node.next_sibling
        before = node.prev_sibling
        if after is not None and after.type == ",":
            end = after.end_byte
            while end < len(self.text) and self.text[end : end + 1] in b" \t":
                end += 1
        elif before is not None and before.type == ",":
            start = before.start_byte
        return Edit(self.path, start, end, "")


@lru_cache(maxsize=64)
def source_text(path: str, text: bytes) -> SourceText:
    """Return the file as an object that is shared by all who ask for the same text."""
    return SourceText(path, text)


def walk(node: Node, *kinds: str) -> Iterator[Node]:
    """Yield `node` and those below it that are of these kinds, in the order of the text."""
    found = QueryCursor(kind_query(kinds)).captures(node).get("it", [])
    yield from sorted(found, key=lambda each: (each.start_byte, -each.end_byte))


def field(node: Node | None, name: str) -> Node | None:
    """Return a field of `node`, None where there is no node or no such field."""
    return None if node is None else node.child_by_field_name(name)


def statement_of(node: Node | None) -> Node | None:
    """Return the statement, or the last expression of a block, that `node` is part of."""
    while node is not None and node.parent is not None:
        if node.type in STATEMENTS or node.parent.type == "block":
            return node
        node = node.parent
    return None


def needs_parentheses(node: Node) -> bool:
    """Whether an operator or a method put on this expression would bind to a part of it."""
    return node.type in {
        "binary_expression",
        "unary_expression",
        "reference_expression",
        "type_cast_expression",
        "range_expression",
        "closure_expression",
        "assignment_expression",
        "compound_assignment_expr",
        "return_expression",
        "if_expression",
        "match_expression",
        "negative_literal",
    }
