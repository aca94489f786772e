"""Drop what cannot be Rust, however the line goes on."""

from __future__ import annotations

from tree_sitter import Node

from m31r_core.syntax import parse
from m31r_lsp.filters.cursor import Cursor

# How much of the file is looked at, in characters.
_BEFORE = 3_000
_AFTER = 1_000


def drop_unparsed(text: str, cursor: Cursor) -> str:
    """Drop `text` where it brings a syntax error of its own.

    An error that reaches its end, or that is there without it, may be the user's unfinished line.
    """
    before, after = cursor.prefix[-_BEFORE:], cursor.suffix[:_AFTER]
    start = len(before.encode())
    end = start + len(text.rstrip().encode())
    broken = _errors(parse((before + text + after).encode()).root_node, start, end)
    if not broken:
        return text
    known = _errors(parse((before + after).encode()).root_node, start, start)
    return text if known else ""


def _errors(node: Node, start: int, end: int) -> int:
    """Return how many errors lie between two bytes, those that touch either left out."""
    if not node.has_error or node.end_byte < start or node.start_byte > end:
        return 0
    if node.is_error or node.is_missing:
        return int(start < node.start_byte and node.end_byte < end)
    return sum(_errors(child, start, end) for child in node.children)
