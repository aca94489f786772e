"""Blocks of Rust: where one is begun, and where a text that was written into it ends."""

from __future__ import annotations

from tree_sitter import Node

from m31r_core.brackets import closed_outside, first_closed_outside, open_within, unclosed
from m31r_core.syntax import parse

# How much of the file is looked at, in characters.
_BEFORE = 6_000
_AFTER = 4_000

_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_LISTS = frozenset(
    {
        "block",
        "declaration_list",
        "field_declaration_list",
        "enum_variant_list",
        "match_block",
        "field_initializer_list",
    }
)


def opens_block(before: str, after: str) -> bool:
    """Say whether a cursor between the two stands where the content of a block begins.

    Right behind its opening brace or on the first line below, with nothing but brackets behind
    the cursor on its line, and nothing in the block yet.
    """
    head, _, line = before.rpartition("\n")
    if not line.strip():
        line = head.rpartition("\n")[2]
    if not line.rstrip().endswith("{") or "//" in line:
        return False
    rest = after.partition("\n")[0].strip()
    if rest and set(rest) - set(")]};,"):
        return False
    below = after.lstrip()
    return not below or below[0] == "}" or not closed_outside(after[:_AFTER])


def cut_block(before: str, text: str, after: str) -> str:
    """Return `text`, written into a block that `before` opens, up to the bracket that closes it.

    The bracket is left out, with the blanks before it, where `after` closes the block already.
    """
    end = first_closed_outside(text)
    if end is None:
        return text
    if unclosed(before[-_BEFORE:], after[:_AFTER])[-1:] == ["{"]:
        return text[: end + 1]
    return text[:end].rstrip()


def whole_statements(before: str, text: str) -> str:
    """Return `text`, written into a block that `before` opens, up to the end of the last
    statement, item or arm of it that is whole; empty where there is none.

    The syntax tree decides, with what is still open closed at the end.
    """
    head = before[-_BEFORE:]
    closers = "".join(_CLOSERS[opener] for opener in reversed(open_within(head + text)))
    start, end = len(head.encode()), len((head + text).encode())
    node = _list_around(parse(f"{head}{text}\n{closers}".encode()).root_node, start)
    if node is None:
        return text
    whole = 0
    for child in node.named_children:
        if child.end_byte <= start:
            continue
        if child.end_byte > end or child.has_error or child.is_missing:
            break
        whole = _behind(node, child)
    return text.encode()[: max(whole - start, 0)].decode()


def _behind(parent: Node, child: Node) -> int:
    """Return where a child ends, with the comma or semicolon behind it."""
    sibling = child.next_sibling
    if sibling is not None and sibling.type in (",", ";"):
        return sibling.end_byte
    return child.end_byte


def _list_around(root: Node, offset: int) -> Node | None:
    """Return the innermost list of statements, items, fields or arms that the offset lies in."""
    found = None
    node: Node | None = root
    while node is not None:
        if node.type in _LISTS and node.start_byte < offset:
            found = node
        node = next(
            (each for each in node.children if each.start_byte < offset < each.end_byte), None
        )
    return found
