"""Places in memory as code names them: what an expression borrows, what a statement changes."""

from __future__ import annotations

import re

from tree_sitter import Node

from m31r_core.repair.source import field
from m31r_data.mutate.tree import SourceTree, code

_MUTATING = (
    rb"push|push_str|push_back|push_front|insert|insert_str|remove|swap_remove|pop|pop_front|pop_back|append"
    rb"|extend|extend_from_slice|clear|truncate|retain|drain|resize|reserve|sort\w*|dedup\w*|set|set_\w+"
    rb"|entry|get_mut|iter_mut|as_mut|write|write_\w+|read|read_\w+|next|take|replace|fill|swap|reverse"
    rb"|rotate_\w+|add_\w+|update|advance|consume|bump|get_or_insert\w*|last_mut|first_mut|split_off"
)
_CHANGES = re.compile(
    rb"(?P<a>[\w.]+)(\[[^\[\]]*\])?(\.\w+)*\s*([-+*/%^|]|<<|>>)?=(?![=>])"
    rb"|&mut\s+(?P<b>[\w.]+)|(?P<c>[\w.]+?)\.(" + _MUTATING + rb")(::<[^()]*>)?\("
)
MUTATING = re.compile(_MUTATING)
LENDING = re.compile(
    rb"iter|iter_mut|as_\w+|get|get_mut|borrow\w*|lock|chars|char_indices|lines|bytes|split\w*|trim\w*"
    rb"|first|last|keys|values|path|deref|peek|windows|chunks\w*|entry|strip_\w+|file_name|parent|to_str"
)
"""Methods whose results are likely to borrow from what they are called on."""
_LENT = re.compile(rb"\.(" + LENDING.pattern + rb")\([^()]*\)(\.unwrap\(\)|\?)?$")


def place(node: Node | None) -> Node | None:
    """Return the variable that an expression of fields, indices and method calls begins with."""
    while node is not None and node.type not in ("identifier", "self"):
        if node.type in ("field_expression", "reference_expression", "try_expression"):
            node = field(node, "value") or (code(node)[0] if code(node) else None)
        elif node.type == "call_expression":
            node = field(node, "function")
            if node is not None and node.type not in ("field_expression", "generic_function"):
                return None
        elif node.type == "generic_function":
            node = field(node, "function")
        elif node.type in ("index_expression", "parenthesized_expression", "unary_expression"):
            node = code(node)[0] if code(node) else None
        else:
            return None
    return node


def borrowed_variable(tree: SourceTree, value: Node) -> Node | None:
    """Return the variable that this expression is likely to borrow from."""
    if value.type == "reference_expression":
        return place(field(value, "value"))
    if _LENT.search(tree.of(value)):
        return place(value)
    return None


def changed_places(text: bytes) -> set[bytes]:
    """Return the variables and fields that a piece of code probably changes."""
    found = set()
    for match in _CHANGES.finditer(text):
        name = match["a"] or match["b"] or match["c"]
        if name and not name[:1].isdigit() and name.strip(b"."):
            found.add(name.strip(b"."))
    return found


def overlaps(place_: bytes, others: set[bytes]) -> bool:
    """Whether a variable or field is, holds or belongs to one of the others."""
    return any(
        place_ == other or place_.startswith(other + b".") or other.startswith(place_ + b".")
        for other in others
    )


def is_place(node: Node | None) -> bool:
    """Whether an expression is a variable or a field of one."""
    while node is not None and node.type == "field_expression":
        node = field(node, "value")
    return node is not None and node.type in ("identifier", "self")
