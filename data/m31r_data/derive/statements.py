"""What a statement does, in words: never more than its syntax says for certain."""

from __future__ import annotations

from tree_sitter import Node

from m31r_core.syntax import parse
from m31r_data.derive.conditions import condition, pattern_name, presence
from m31r_data.derive.loops import loop_plan
from m31r_data.derive.values import too_long, value_plan
from m31r_data.derive.words import a, arguments_of, child, last_name, noun, text_of, the

_COMPOUND = {
    "+=": "add {1} to {0}",
    "-=": "subtract {1} from {0}",
    "*=": "multiply {0} by {1}",
    "/=": "divide {0} by {1}",
    "<<=": "shift {0} left by {1}",
    ">>=": "shift {0} right by {1}",
}
_LOGGED = ("trace", "debug", "info", "warn")
_MACROS = {
    "bail": "return an error",
    "eprintln": "print to standard error",
    "panic": "panic",
    "print": "print to standard output",
    "println": "print a line",
    "todo": "leave this to be done",
    "unimplemented": "leave this to be done",
    "unreachable": "never reach this",
}
_WRITTEN = ("write", "writeln")
_LOOPS = frozenset({"for_expression", "while_expression", "loop_expression"})
_LITERALS = frozenset({"integer_literal", "boolean_literal", "float_literal", "string_literal"})


def statement_plan(statement: Node) -> str | None:
    """Return what a statement, or the value at the end of a block, does; None where unsure.

    The plan is in lower case and at most eight words.
    """
    said = _plan(statement)
    if said is not None and too_long(said):
        said = said.replace("the ", "")
    return None if said is None or too_long(said) else said


def _plan(statement: Node) -> str | None:
    if statement.type == "let_declaration":
        return _let(statement)
    node: Node | None = statement
    if statement.type == "expression_statement":
        node = child(statement, 0)
    elif not _ends_function(statement):
        return None
    if node is None:
        return None
    if node.type == "return_expression":
        if said := _returned(child(node, 0)) or value_plan(child(node, 0)):
            return said
        return None if _ends_function(statement) else "return early"
    if node is statement and (said := _returned(node)):
        return said
    if node.type == "assignment_expression":
        return _assigned(node)
    if node.type == "compound_assignment_expr":
        return _compound(node)
    if node.type == "if_expression":
        return _branch(node)
    if node.type in _LOOPS:
        return loop_plan(node)
    tried = child(node, 0) if node.type == "try_expression" else node
    if tried is not None and tried.type == "macro_invocation":
        return _macro(tried) or value_plan(node)
    return value_plan(node)


def _ends_function(node: Node) -> bool:
    """Say whether `node` is the value that a function's body ends with."""
    block = node.parent
    if block is None or block.type != "block" or block.parent is None:
        return False
    return block.parent.type == "function_item" and block.named_children[-1] == node


def _let(statement: Node) -> str | None:
    pattern, value = (statement.child_by_field_name(name) for name in ("pattern", "value"))
    if pattern is None:
        return None
    alternative = statement.child_by_field_name("alternative")
    if alternative is not None:
        asked = presence(pattern, value)
        return asked and f"{_leaving(alternative) or 'stop here'} unless {asked}"
    name = pattern_name(pattern)
    target = the(name) if name else None
    if value is None:
        return target and f"declare {target} for later"
    if pattern.type == "tuple_pattern" and (whole := noun(value)):
        parts = [pattern_name(part) for part in pattern.named_children]
        said = [the(part) for part in parts if part]
        if len(said) == len(parts) == 2 and None not in said:
            return f"split {whole} into {said[0]} and {said[1]}"
        return f"take {whole} apart"
    if pattern.type == "struct_pattern" and (whole := noun(value)):
        return f"take the fields of {whole}"
    if target and value.type in _LITERALS and (start := noun(value)):
        mutable = any(child.type == "mutable_specifier" for child in statement.children)
        return f"start {target} at {start}" if mutable else f"set {target} to {start}"
    return value_plan(value, target)


def _returned(value: Node | None) -> str | None:
    """Return the plan of giving back `value`, where it says more than how to get it."""
    if value is None:
        return None
    if value.type == "call_expression":
        made = last_name(value.child_by_field_name("function"))
        inner = arguments_of(value)
        if made == "Err" and len(inner) == 1:
            return "return an error"
        if made == "Ok" and len(inner) == 1:
            what = noun(inner[0])
            return "return ok" if what == "unit" else f"return {what} as ok" if what else None
        if made == "Some" and len(inner) == 1:
            what = noun(inner[0])
            return f"return {what} as some" if what else None
    if value.type in ("identifier", "field_expression", "self", *_LITERALS):
        what = noun(value)
        return what and f"return {what}"
    if value.type == "struct_expression":
        kind = a(last_name(value.child_by_field_name("name")) or "")
        return f"return {kind}" if kind and kind != "a self" else None
    asked = condition(value)
    return asked and f"return whether {asked}"


def _branch(node: Node) -> str | None:
    asked = condition(node.child_by_field_name("condition"))
    if asked is None:
        return None
    leaving = _leaving(node.child_by_field_name("consequence"))
    if leaving is None or node.child_by_field_name("alternative") is not None:
        return f"check whether {asked}"
    return f"{leaving} if {asked}"


def _leaving(block: Node | None) -> str | None:
    """Say how a block of nothing but a `return`, `break`, `continue` or panic leaves."""
    if block is None or block.named_child_count != 1:
        return None
    only = child(block, 0)
    if only is not None and only.type == "expression_statement":
        only = child(only, 0)
    if only is None:
        return None
    if only.type == "return_expression":
        return _returned(child(only, 0)) or "return early"
    if only.type == "macro_invocation":
        name = last_name(only.child_by_field_name("macro"))
        return {"panic": "panic", "bail": "return an error"}.get(name or "")
    return {"break_expression": "stop", "continue_expression": "skip"}.get(only.type)


def _assigned(node: Node) -> str | None:
    left, right = (node.child_by_field_name(side) for side in ("left", "right"))
    if left is None or right is None or left.type in ("tuple_expression", "_"):
        return None
    place, value = noun(left), noun(right)
    if place is None:
        return None
    if left.type == "index_expression":
        return f"set {place} to {value}" if value else f"set {place}"
    if left.type == "unary_expression":
        return f"set what {place} points to"
    if value is None:
        return f"set {place}"
    return f"store {value}" if value == place else f"set {place} to {value}"


def _compound(node: Node) -> str | None:
    left, right = (node.child_by_field_name(side) for side in ("left", "right"))
    operator = node.child_by_field_name("operator")
    place, value = noun(left), noun(right)
    sign = text_of(operator) if operator is not None else ""
    if place is None or sign not in _COMPOUND:
        return None
    if value == "1" and sign in ("+=", "-="):
        return f"{'increment' if sign == '+=' else 'decrement'} {place}"
    if value is None:
        return f"add to {place}" if sign == "+=" else None
    return _COMPOUND[sign].format(place, value)


def _macro(node: Node) -> str | None:
    name = last_name(node.child_by_field_name("macro")) or ""
    if name in _LOGGED:
        return f"log at {name} level" if _is_text(node) else None
    if name in _WRITTEN:
        arguments = _macro_arguments(node)
        to = noun(arguments[0]) if arguments else None
        return to and f"write formatted text to {to}"
    if name.removeprefix("debug_").startswith("assert"):
        return _asserted(name.removeprefix("debug_"), _macro_arguments(node))
    return _MACROS.get(name)


def _asserted(name: str, arguments: list[Node]) -> str | None:
    if name == "assert" and arguments and (asked := condition(arguments[0])):
        return f"assert that {asked}"
    if name in ("assert_eq", "assert_ne") and len(arguments) >= 2:
        left, right = noun(arguments[0]), noun(arguments[1])
        verb = "equals" if name == "assert_eq" else "differs from"
        known = left and right and left != right
        return f"assert that {left} {verb} {right}" if known else None
    return None


def _is_text(node: Node) -> bool:
    """Say whether the arguments of a macro begin with a string."""
    tokens = next((child for child in node.children if child.type == "token_tree"), None)
    first = child(tokens, 0) if tokens is not None else None
    return first is not None and first.type == "string_literal"


def _macro_arguments(node: Node) -> list[Node]:
    """Return the arguments of a macro that is called like a function, parsed as expressions."""
    tokens = next((child for child in node.children if child.type == "token_tree"), None)
    if tokens is None:
        return []
    root = parse(f"fn f() {{ m({text_of(tokens)[1:-1]}); }}".encode()).root_node
    if root.has_error:
        return []
    call = root.descendant_for_byte_range(9, 10)
    while call is not None and call.type != "call_expression":
        call = call.parent
    return arguments_of(call) if call is not None else []
