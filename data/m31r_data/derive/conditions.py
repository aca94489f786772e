"""What a condition asks, in words."""

from __future__ import annotations

from tree_sitter import Node

from m31r_data.derive.words import (
    a,
    arguments_of,
    child,
    last_name,
    method_of,
    noun,
    text_of,
    words,
)

_COMPARED = {
    "==": "equals",
    "!=": "differs from",
    "<": "is less than",
    "<=": "is at most",
    ">": "is greater than",
    ">=": "is at least",
}
_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
# method -> (arguments, said when true, said when false)
_ASKED: dict[str, tuple[int, str, str]] = {
    "contains": (1, "{x} contains {0}", "{x} lacks {0}"),
    "contains_key": (1, "{x} has {0} as key", "{x} lacks the key {0}"),
    "ends_with": (1, "{x} ends with {0}", "{x} does not end with {0}"),
    "eq": (1, "{x} equals {0}", "{x} differs from {0}"),
    "exists": (0, "{x} exists", "{x} does not exist"),
    "is_err": (0, "{x} is an error", "{x} is no error"),
    "is_none": (0, "{x} is none", "{x} is not none"),
    "is_ok": (0, "{x} is ok", "{x} is not ok"),
    "is_some": (0, "{x} is some", "{x} is not some"),
    "starts_with": (1, "{x} starts with {0}", "{x} does not start with {0}"),
}


def condition(node: Node | None, *, holds: bool = True) -> str | None:
    """Return what it means that the condition is true, or false; None for what is not simple."""
    if node is None:
        return None
    if node.type == "parenthesized_expression":
        return condition(child(node, 0), holds=holds)
    if node.type == "unary_expression" and text_of(node).startswith("!"):
        return condition(child(node, 0), holds=not holds)
    if node.type == "binary_expression":
        return _comparison(node, holds)
    if node.type == "call_expression":
        return _question(node, holds)
    if node.type == "let_condition":
        return _pattern(node) if holds else None
    if node.type in ("identifier", "field_expression") and (name := noun(node)):
        return f"{name.removeprefix('the ')} is {'true' if holds else 'false'}"
    return None


def pattern_name(pattern: Node | None) -> str | None:
    """Return the only name that a pattern binds, `x` for `Some(mut x)`, as it is written."""
    if pattern is None:
        return None
    if pattern.type == "identifier":
        return text_of(pattern)
    if pattern.type in ("ref_pattern", "mut_pattern", "reference_pattern", "match_pattern"):
        inner = [child for child in pattern.named_children if child.type != "mutable_specifier"]
        return pattern_name(inner[0]) if len(inner) == 1 else None
    return None


def wrapped(pattern: Node | None) -> tuple[str, Node | None] | None:
    """Return the last name of what a pattern takes apart, and the only pattern inside it.

    `("Some", x)` for `Some(x)`, `("Comma", None)` for `Token::Comma` and `Point { .. }`.
    """
    if pattern is None:
        return None
    if pattern.type == "scoped_identifier":
        name = last_name(pattern)
        return None if name is None else (name, None)
    if pattern.type not in ("tuple_struct_pattern", "struct_pattern"):
        return None
    name = last_name(pattern.child_by_field_name("type"))
    inner = pattern.named_children[1:]
    single = len(inner) == 1 and pattern.type == "tuple_struct_pattern"
    return None if name is None else (name, inner[0] if single else None)


def presence(pattern: Node, value: Node | None) -> str | None:
    """Return what it means that `value` matches the refutable `pattern`."""
    found = wrapped(pattern)
    if found is None:
        return None
    name, inner = found
    bound = pattern_name(inner)
    said, asked = (a(bound) if bound else None), noun(value)
    if name == "Some":
        return f"there is {said}" if said else f"{asked} is some" if asked else None
    if name in ("Ok", "Err"):
        what = "is ok" if name == "Ok" else "is an error"
        return f"{asked} {what}" if asked else None if name == "Ok" else "there is an error"
    kind = a(name)
    if kind is None:
        return None
    return f"{asked} is {kind}" if asked and asked != "self" else f"it is {kind}"


def _pattern(node: Node) -> str | None:
    pattern = node.child_by_field_name("pattern")
    return None if pattern is None else presence(pattern, node.child_by_field_name("value"))


def _comparison(node: Node, holds: bool) -> str | None:
    operator = node.child_by_field_name("operator")
    sign = text_of(operator) if operator is not None else ""
    if sign not in _COMPARED:
        return None
    left, right = (noun(node.child_by_field_name(side)) for side in ("left", "right"))
    if left is None or right is None:
        return None
    return f"{left} {_COMPARED[sign if holds else _OPPOSITE[sign]]} {right}"


def _question(node: Node, holds: bool) -> str | None:
    found, arguments = method_of(node), arguments_of(node)
    if found is None:
        return None
    receiver, name = noun(found[0]), found[1]
    if receiver is None:
        return None
    if name in _ASKED and len(arguments) == _ASKED[name][0]:
        asked = noun(arguments[0]) if arguments else ""
        _, yes, no = _ASKED[name]
        said = yes if holds else no
        return None if asked is None else said.format(asked, x=receiver)
    verb, _, rest = name.partition("_")
    what = words(rest) if rest else None
    if arguments or what is None:
        return None
    if verb == "is":
        return f"{receiver} is {what}" if holds else f"{receiver} is not {what}"
    if verb == "has":
        return f"{receiver} has {what}" if holds else f"{receiver} has no {what}"
    return None
