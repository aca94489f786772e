"""The items of a Rust file: what they are called and how they are used, without their bodies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

from m31r_core.syntax import parse

# Longest text that is kept of an item, in bytes.
_LONGEST = 600
_WITH_FIELDS = frozenset({"struct_item", "enum_item", "union_item"})
_WITH_BODY = frozenset({"function_item", "function_signature_item"})
_PLAIN = frozenset({"type_item", "const_item", "static_item", "macro_definition"})


@dataclass(frozen=True)
class Item:
    """An item: its name, the type or trait that it belongs to ("" for none), and its text up to
    the body."""

    name: str
    owner: str
    text: str


def outline(source: str) -> tuple[Item, ...]:
    """Return the items of a file in their order; what cannot be parsed is left out."""
    data = source.encode()
    return tuple(_items(parse(data).root_node, data, ""))


def _items(parent: Node, data: bytes, owner: str) -> Iterator[Item]:
    for node in parent.named_children:
        kind = node.type
        body = node.child_by_field_name("body")
        if kind in _WITH_FIELDS or kind in _PLAIN:
            yield from _item(node, data, owner, node.end_byte)
        elif kind in _WITH_BODY:
            yield from _item(node, data, owner, body.start_byte if body else node.end_byte)
        elif kind == "impl_item" and body is not None:
            yield from _items(body, data, _name(node.child_by_field_name("type"), data))
        elif kind == "trait_item" and body is not None:
            name = _name(node.child_by_field_name("name"), data)
            yield Item(name, owner, _text(node, data, body.start_byte))
            yield from _items(body, data, name)
        elif kind == "mod_item" and body is not None:
            yield from _items(body, data, owner)


def _item(node: Node, data: bytes, owner: str, end: int) -> Iterator[Item]:
    name = _name(node.child_by_field_name("name"), data)
    if name:
        yield Item(name, owner, _text(node, data, end))


def _name(node: Node | None, data: bytes) -> str:
    """Return the name that a node is: of a type with arguments, the type's."""
    if node is None:
        return ""
    inner = node.child_by_field_name("type") if node.type == "generic_type" else None
    inner = inner or (node.child_by_field_name("name") if node.type.startswith("scoped") else None)
    return data[(inner or node).start_byte : (inner or node).end_byte].decode(errors="replace")


def _text(node: Node, data: bytes, end: int) -> str:
    text = data[node.start_byte : min(end, node.start_byte + _LONGEST)]
    return text.decode(errors="replace").rstrip()
