"""What a loop goes through and when it ends, in words."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from m31r_data.derive.conditions import condition, pattern_name
from m31r_data.derive.words import arguments_of, child, method_of, noun, text_of, words

_LOOPS = frozenset({"for_expression", "while_expression", "loop_expression"})
_ELSEWHERE = frozenset({"closure_expression", "function_item", "async_block"})
_WAYS_OUT = frozenset(
    {"break_expression", "return_expression", "try_expression", "macro_invocation"}
)
_HOW = {
    "drain": "drain {x}",
    "enumerate": "go through {x} with their numbers",
    "iter_mut": "go through {x} mutably",
    "rev": "go through {x} in reverse",
    "zip": "go through {x} and {0} together",
}


def loop_plan(node: Node) -> str | None:
    """Return what a loop does, or None where that is not plain."""
    if node.type == "for_expression":
        return _for(node)
    if node.type == "while_expression":
        asked = condition(node.child_by_field_name("condition"))
        return asked and f"loop while {asked}"
    body = node.child_by_field_name("body")
    ways = set(_ways_out(body)) if body is not None else set()
    if "break_expression" in ways:
        return "loop until a break"
    return None if ways else "loop forever"


def _for(node: Node) -> str | None:
    pattern, value = node.child_by_field_name("pattern"), node.child_by_field_name("value")
    if value is None:
        return None
    bound = pattern_name(pattern)
    name = words(bound) if bound and not bound.startswith("_") else None
    while value.type == "parenthesized_expression" and (inner := child(value, 0)):
        value = inner
    if value.type == "range_expression":
        return _range(value, name)
    mutably = value.type == "reference_expression" and text_of(value).startswith("&mut")
    if mutably and (what := noun(value)):
        return f"go through {what} mutably"
    found = method_of(value) if value.type == "call_expression" else None
    if found is not None and found[1] in _HOW:
        what, arguments = noun(found[0]), [noun(each) for each in arguments_of(value)]
        if what is None or (found[1] == "zip" and None in arguments):
            return None
        return _HOW[found[1]].format(*arguments, x=what)
    what = noun(value)
    if what is None:
        return f"go through each {name}" if name else None
    return f"go through each {name} of {what}" if name else f"go through {what}"


def _range(value: Node, name: str | None) -> str | None:
    ends = [noun(end) for end in value.named_children]
    if len(ends) != 2 or None in ends:
        return None
    until = "through" if "..=" in text_of(value) else "until"
    return f"run {name or 'a loop'} from {ends[0]} {until} {ends[1]}"


def _ways_out(node: Node) -> Iterator[str]:
    """Yield the kinds of nodes that leave the loop whose body `node` is."""
    for part in node.named_children:
        if part.type in _ELSEWHERE:
            continue
        if part.type in _LOOPS:
            # Its breaks are its own, but for those with a label, of which nothing is said.
            yield from ("macro_invocation" for _ in _ways_out(part))
            continue
        if part.type in _WAYS_OUT:
            yield part.type
        yield from _ways_out(part)
