"""Patterns that take what is only lent to them."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from m31r_core.repair.source import field
from m31r_data.mutate.locals import is_reference, used_later
from m31r_data.mutate.tree import Change, SourceTree, around, child, code, replace

_STORED = ("field_expression", "index_expression")


def drop_ref_pattern(tree: SourceTree) -> Iterator[Change]:
    """Bind by value: `Some(ref x)` to `Some(x)`."""
    for pattern in tree.nodes("ref_pattern"):
        inner = code(pattern)
        if inner:
            yield replace(pattern, tree.of(inner[-1]))


def match_by_value(tree: SourceTree) -> Iterator[Change]:
    """Match on what is borrowed: `match &self.x` to `match self.x`, the same for `if let`."""
    for each in tree.nodes("match_expression", "let_condition", "let_declaration"):
        value = field(each, "value")
        if value is None or value.type != "reference_expression":
            continue
        inner = field(value, "value")
        pattern = field(each, "pattern")
        if inner is None or (
            each.type == "let_declaration" and (pattern is None or pattern.type == "identifier")
        ):
            continue
        if inner.type in _STORED or (
            inner.type == "identifier" and used_later(tree, tree.of(inner), each)
        ):
            yield replace(value, tree.of(inner))


def match_on_star(tree: SourceTree) -> Iterator[Change]:
    """Match on what a reference points to: `match self` to `match *self` binding by value."""
    for each in tree.nodes("match_expression", "let_condition"):
        value = field(each, "value")
        if value is not None and _is_lent(tree, value):
            if each.type == "let_condition" and b"(" not in tree.of(field(each, "pattern")):
                continue
            yield replace(value, b"*" + tree.of(value))


def _is_lent(tree: SourceTree, value: Node) -> bool:
    """Whether a variable is a reference by its declaration, `self` included."""
    if value.type != "self":
        return value.type == "identifier" and is_reference(tree, value)
    function = around(value, "function_item")
    parameter = child(field(function, "parameters"), "self_parameter")
    return parameter is not None and tree.of(parameter).startswith(b"&")
