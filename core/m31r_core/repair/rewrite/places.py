"""What could be written at a place of a file, by its syntax alone."""

from __future__ import annotations

import re
from typing import Literal

from tree_sitter import Node

from m31r_core.repair.source import SourceText, field

Rewrite = Literal["body", "trait items", "match arms"]

UNFINISHED = re.compile(r"(?:todo|unimplemented)!\s*(?:\([^()]*\)|\[[^\]]*\]|\{[^}]*\})\s*;?")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def rewrites_at(text: bytes, byte_offset: int) -> tuple[Rewrite, ...]:
    """Return what may be worth writing at `byte_offset`; the compiler has the last word."""
    source = SourceText("", text)
    found: list[Rewrite] = []
    if unfinished_function(source, byte_offset) is not None:
        found.append("body")
    if trait_impl(source, byte_offset) is not None:
        found.append("trait items")
    if open_match(source, byte_offset) is not None:
        found.append("match arms")
    return tuple(found)


def unfinished_function(source: SourceText, byte_offset: int) -> Node | None:
    """Return the function at `byte_offset` whose body is `todo!()` or, where it must not be, empty.

    A function without a result may be empty on purpose.
    """
    node = source.around(byte_offset, byte_offset, "function_item")
    body = field(node, "body")
    if node is None or body is None:
        return None
    text = _COMMENT.sub("", source.of(body))[1:-1].strip()
    if UNFINISHED.fullmatch(text):
        return node
    return node if not text and field(node, "return_type") is not None else None


def trait_impl(source: SourceText, byte_offset: int) -> Node | None:
    """Return the impl of a trait that `byte_offset` is in, outside of its functions."""
    node = source.around(byte_offset, byte_offset, "impl_item", "function_item")
    if node is None or node.type != "impl_item":
        return None
    has_items = field(node, "trait") is not None and field(node, "body") is not None
    return node if has_items else None


def open_match(source: SourceText, byte_offset: int) -> Node | None:
    """Return the match around `byte_offset` that nothing shows to be complete."""
    node = source.around(byte_offset, byte_offset, "match_expression", "function_item")
    body = field(node, "body")
    if node is None or body is None or node.type != "match_expression":
        return None
    rest = [arm for arm in arms_of(body) if catches_all(source, arm)]
    return node if not rest or unfinished_arm(source, rest[0]) else None


def arms_of(body: Node) -> list[Node]:
    """Return the arms of a match block."""
    return [child for child in body.named_children if child.type == "match_arm"]


def catches_all(source: SourceText, arm: Node) -> bool:
    """Whether an arm takes whatever is left: `_` or a name, without a condition."""
    pattern = source.of(field(arm, "pattern") or arm).strip()
    return bool(re.fullmatch(r"_|(?:ref\s+)?(?:mut\s+)?[a-z]\w*", pattern))


def unfinished_arm(source: SourceText, arm: Node) -> bool:
    """Whether the value of an arm is `todo!()`."""
    value = source.of(field(arm, "value") or arm).strip()
    return bool(UNFINISHED.fullmatch(value.strip("{} \n\t")))
