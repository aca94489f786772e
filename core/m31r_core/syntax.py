"""What tree-sitter knows about a Rust source text."""

from __future__ import annotations

from functools import cache
from typing import Literal

import tree_sitter_rust
from tree_sitter import Language, Node, Parser, Query, Tree

CursorState = Literal["code", "comment", "string"]

_COMMENTS = frozenset({"line_comment", "block_comment", "doc_comment"})
_STRINGS = frozenset({"string_literal", "raw_string_literal", "string_content", "char_literal"})


@cache
def _rust() -> Language:
    return Language(tree_sitter_rust.language())


@cache
def kind_query(kinds: tuple[str, ...]) -> Query:
    """Return the query that captures nodes of these kinds as `it`; unknown kinds raise."""
    return Query(_rust(), " ".join(f"({kind}) @it" for kind in kinds))


def parse(source: bytes) -> Tree:
    """Parse UTF-8 Rust source; never fails, errors are nodes of the tree."""
    return Parser(_rust()).parse(source)


def cursor_state(source: bytes, byte_offset: int) -> CursorState:
    """Say whether text typed at `byte_offset` would be code, part of a comment or of a string.

    A cursor at the very end of a line comment is inside it; one behind a closing quote is not.
    """
    node: Node | None = parse(source).root_node.descendant_for_byte_range(
        max(byte_offset - 1, 0), byte_offset
    )
    while node is not None:
        if node.start_byte < byte_offset:
            if node.type in _COMMENTS:
                inside = node.type == "line_comment" or byte_offset < node.end_byte
                if inside and not _ends_before(source, node, byte_offset):
                    return "comment"
            elif node.type in _STRINGS and byte_offset < node.end_byte:
                return "string"
        node = node.parent
    return "code"


def _ends_before(source: bytes, comment: Node, byte_offset: int) -> bool:
    """Say whether a newline lies between the start of a line comment and the offset.

    A doc comment's node reaches over the newline that ends it.
    """
    return comment.type == "line_comment" and b"\n" in source[comment.start_byte : byte_offset]


def error_share(source: bytes) -> float:
    """Return the share of the source's bytes that lie in syntax errors, 0 to 1."""
    root = parse(source).root_node
    if not root.has_error or not source:
        return 0.0
    in_error = 0
    pending = [root]
    while pending:
        node = pending.pop()
        if node.is_error:
            in_error += node.end_byte - node.start_byte
        elif node.is_missing:
            in_error += 1
        elif node.has_error:
            pending.extend(node.children)
    return in_error / len(source)


def node_ends(source: bytes, kinds: frozenset[str]) -> list[int]:
    """Return the sorted byte offsets at which nodes of these kinds end."""
    ends: set[int] = set()
    pending = [parse(source).root_node]
    while pending:
        node = pending.pop()
        if node.type in kinds:
            ends.add(node.end_byte)
        pending.extend(node.children)
    return sorted(ends)
