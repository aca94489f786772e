"""What is done to get a value, in words: the right side of a `let`, an argument of `return`."""

from __future__ import annotations

import re

from tree_sitter import Node

from m31r_data.derive.calls import arithmetic, call_plan
from m31r_data.derive.conditions import condition
from m31r_data.derive.words import (
    a,
    arguments_of,
    child,
    last_name,
    method_of,
    noun,
    text_of,
    the,
    words,
)

_RESULT = re.compile(r"(?:\w+::)*\w*Result\b")
_OPTION = re.compile(r"(?:\w+::)*Option\b")
_LATER = frozenset({"function_item", "closure_expression", "async_block", "const_block"})
_COLLECTIONS = frozenset(
    "BTreeMap BTreeSet BinaryHeap HashMap HashSet IndexMap PathBuf String Vec VecDeque".split()  # noqa: SIM905
)
# Called on a result, they only say what becomes of its failure.
_OF_FAILURE = frozenset({"context", "expect", "map_err", "unwrap", "with_context"})
_LONGEST = 8


def value_plan(value: Node | None, target: str | None = None) -> str | None:
    """Return what is done to get `value`; `target` is the name that it gets, in words."""
    if value is None:
        return None
    kind = value.type
    if kind in ("call_expression", "macro_invocation"):
        return _called(value, target)
    if kind == "try_expression":
        return _tried(value, target)
    if kind == "await_expression":
        return _awaited(child(value, 0))
    if kind == "reference_expression":
        return _borrowed(value)
    if kind == "binary_expression":
        return _binary(value)
    if kind == "type_cast_expression":
        cast = noun(value.child_by_field_name("value"))
        to = last_name(value.child_by_field_name("type"))
        return f"cast {cast} to {words(to)}" if cast and to and words(to) else None
    if kind == "index_expression":
        return _indexed(value)
    if kind == "struct_expression":
        kind_of = a(last_name(value.child_by_field_name("name")) or "")
        return None if kind_of is None or kind_of == "a self" else f"build {kind_of}"
    return _branching(value, target)


def too_long(plan: str) -> bool:
    """Say whether a plan has more words than one reads in passing."""
    return len(plan.split()) > _LONGEST


def _branching(value: Node, target: str | None) -> str | None:
    to = f"choose {target} by " if target else ""
    if value.type == "match_expression":
        matched = _matched(value.child_by_field_name("value"))
        if matched is None:
            return None
        return f"{to}matching on {matched}" if to else f"match on {matched}"
    if value.type == "if_expression":
        asked = condition(value.child_by_field_name("condition"))
        return asked and (f"{to}whether {asked}" if to else f"check whether {asked}")
    if value.type == "unsafe_block":
        return _unsafe(value, target)
    if value.type == "closure_expression":
        return f"define the closure {target.removeprefix('the ')}" if target else None
    if value.type == "array_expression" and target:
        return f"make {target} an array"
    return None


def _matched(value: Node | None) -> str | None:
    if value is None or value.type != "tuple_expression":
        return noun(value)
    parts = [noun(part) for part in value.named_children]
    return f"{parts[0]} and {parts[1]}" if len(parts) == 2 and None not in parts else None


def _unsafe(value: Node, target: str | None) -> str:
    block = child(value, 0)
    inner = child(block, 0) if block is not None and block.named_child_count == 1 else None
    said = value_plan(inner, target)
    if said is not None and not too_long(f"{said}, unsafely"):
        return f"{said}, unsafely"
    return f"get {target} with unsafe code" if target else "run unsafe code"


def _called(call: Node, target: str | None) -> str | None:
    if call.type == "macro_invocation":
        return _macro(call, target)
    found, arguments = method_of(call), arguments_of(call)
    if found is None:
        return _empty(call, target) or call_plan(call)
    receiver, name = found
    if name in _OF_FAILURE:
        inner = value_plan(receiver, target)
        if inner is None and name in ("unwrap", "expect"):
            what = noun(receiver)
            return what and f"unwrap {what}"
        return inner
    if name == "collect" and not arguments:
        return _collected(call, receiver, target)
    if target and not arguments and name in ("sum", "product") and noun(receiver) is None:
        return f"compute {target}" if target == f"the {name}" else f"compute {target} as a {name}"
    return call_plan(call)


def _empty(call: Node, target: str | None) -> str | None:
    """Return the plan of `Vec::new()` and the like."""
    function = call.child_by_field_name("function")
    if function is None or function.type != "scoped_identifier" or arguments_of(call):
        return None
    owner, name = last_name(function.child_by_field_name("path")), last_name(function)
    if owner not in _COLLECTIONS or name != "new":
        return None
    kind = (a(owner) or "").partition(" ")[2]
    return f"start {target} as an empty {kind}" if target else f"start with an empty {kind}"


def _collected(call: Node, receiver: Node, target: str | None) -> str | None:
    """Return the plan of a chain that ends in `collect`, with the type where it is written."""
    what = target or noun(receiver)
    into = _collection(call)
    if what is None:
        return None if into is None else f"collect into {into}"
    return f"collect {what}" if into is None else f"collect {what} into {into}"


def _collection(call: Node) -> str | None:
    function = call.child_by_field_name("function")
    written: Node | None = None
    if function is not None and function.type == "generic_function":
        arguments = function.child_by_field_name("type_arguments")
        written = child(arguments, 0) if arguments is not None else None
    elif call.parent is not None and call.parent.type == "let_declaration":
        written = call.parent.child_by_field_name("type")
    name = last_name(written) or ""
    return a(name) if name in _COLLECTIONS or name.endswith(("Map", "Set", "Vec")) else None


def _macro(call: Node, target: str | None) -> str | None:
    name = last_name(call.child_by_field_name("macro"))
    tokens = next((child for child in call.children if child.type == "token_tree"), None)
    if name == "format":
        return f"format {target or 'a string'}"
    if name == "vec" and tokens is not None:
        if tokens.named_child_count == 0:
            return f"start {target} as an empty vector" if target else None
        if any(child.type == ";" for child in tokens.children):
            return f"fill the vector {target.removeprefix('the ')}" if target else "fill a vector"
    return None


def _tried(value: Node, target: str | None) -> str | None:
    inner = child(value, 0)
    said = value_plan(inner, target)
    failure = _failure(value)
    if said is None:
        return f"propagate {failure}" if failure == "the error" else None
    both = f"{said} or {'propagate ' if failure == 'the error' else 'return '}{failure}"
    return said if too_long(both) else both


def _failure(node: Node) -> str:
    """Say what a `?` gives back to the caller of the function around it."""
    around = node.parent
    while around is not None and around.type not in _LATER:
        around = around.parent
    returned = around.child_by_field_name("return_type") if around is not None else None
    text = text_of(returned) if returned is not None else ""
    if _RESULT.match(text):
        return "the error"
    return "none" if _OPTION.match(text) else "early"


def _awaited(call: Node | None) -> str | None:
    if call is None:
        return None
    found = method_of(call) if call.type == "call_expression" else None
    name = found[1] if found else None
    if found is None and call.type == "call_expression":
        name = last_name(call.child_by_field_name("function"))
    said = words(name) if name else None
    if said is not None:
        return f"wait for {said} to finish"
    waited = noun(call)
    return waited and f"wait for {waited}"


def _borrowed(value: Node) -> str | None:
    mutably = any(child.type == "mutable_specifier" for child in value.children)
    place = value.child_by_field_name("value")
    if place is None or place.type not in ("identifier", "field_expression", "index_expression"):
        return None
    borrowed = noun(place)
    return borrowed and f"borrow {borrowed}{' mutably' if mutably else ''}"


def _binary(value: Node) -> str | None:
    operator = value.child_by_field_name("operator")
    sides = [value.child_by_field_name(side) for side in ("left", "right")]
    operands = [side for side in sides if side is not None]
    said = arithmetic(text_of(operator) if operator is not None else "", operands)
    if said is None and (asked := condition(value)):
        return f"check whether {asked}"
    return said


def _indexed(value: Node) -> str | None:
    base, place = noun(child(value, 0)), child(value, 1)
    if base is None or place is None or place.type == "range_expression":
        return None
    at = the(text_of(place)) if place.type == "identifier" else noun(place)
    return f"read {base} at {at}" if at else f"read an element of {base}"
