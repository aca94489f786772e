"""Mismatched types: E0308 and its relatives."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from m31r_core.repair.candidates import Candidate, Caution
from m31r_core.repair.edits import Edit
from m31r_core.repair.problem import Problem
from m31r_core.repair.source import SourceText, field, needs_parentheses, walk
from m31r_core.repair.values import is_float, is_integer, is_number, plain_value

_WORDS = {"integer": "i32", "floating-point number": "f64", "{integer}": "i32", "{float}": "f64"}


def convert(problem: Problem) -> Iterator[Candidate]:
    """Convert the expression that has the wrong type into the type that is wanted."""
    expected, found = problem.expected_found
    node, code = problem.node, problem.code
    if not code or not problem.span.byte_end > problem.span.byte_start:
        return
    wrapped = f"({code})" if needs_parentheses(node) else code
    for title, text, weight in _conversions(expected, found, code, wrapped):
        yield problem.propose(title, problem.edit(problem.span, text), weight)
    value = plain_value(expected)
    if found == "()" and expected not in ("", "()") and code.strip() in ("()", "") and value:
        yield problem.invent(
            f"write a value of type `{expected}`", problem.edit(problem.span, value), 0.3
        )


def _conversions(
    expected: str, found: str, code: str, wrapped: str
) -> Iterator[tuple[str, str, float]]:
    """Yield title, text and weight of what may turn `found` into `expected`."""
    bare_expected, bare_found = _bare(expected), _bare(found)
    if expected.startswith("&") and not found.startswith("&"):
        mutable = expected.startswith("&mut")
        yield f"borrow `{code}`", f"&{'mut ' if mutable else ''}{wrapped}", 0.8
        if bare_expected == "str":
            yield f"borrow `{code}` as a str", f"{wrapped}.as_str()", 0.6
    if found.startswith("&") and not expected.startswith("&"):
        if code.startswith("&"):
            yield "remove the borrow", code.lstrip("&").removeprefix("mut ").strip(), 0.7
        yield f"dereference `{code}`", f"*{wrapped}", 0.75
        yield f"clone `{code}`", f"{wrapped}.clone()", 0.6
        yield f"make `{code}` owned", f"{wrapped}.to_owned()", 0.5
    if found.startswith("&&") and expected.startswith("&"):
        yield f"dereference `{code}`", f"*{wrapped}", 0.6
    if expected.startswith("&mut") and found.startswith("&") and not found.startswith("&mut"):
        yield "borrow mutably", re.sub(r"^&", "&mut ", code), 0.8
    if bare_expected == "String":
        yield f"make a String of `{code}`", f"{wrapped}.to_string()", 0.85
        yield f"make a String of `{code}`", f"String::from({code})", 0.6
    if bare_expected == "str" and re.fullmatch(r"'(?:[^'\\]|\\.)'", code):
        yield "write a string, not a character", f'"{code[1:-1]}"', 0.8
    if bare_expected == "str" and re.fullmatch(r"[\d.]+", code):
        yield "write a string", f'"{code}"', 0.5
    if expected == "char" and re.fullmatch(r'"(?:[^"\\]|\\.)"', code):
        yield "write a character, not a string", f"'{code[1:-1]}'", 0.8
    if is_number(expected) and is_number(found):
        yield from _numbers(expected, code, wrapped)
    if expected == "bool" and is_integer(found):
        yield f"compare `{code}` with 0", f"{wrapped} != 0", 0.5
    if is_number(expected) and found == "bool":
        yield (
            f"convert `{code}` to {expected}",
            f"{wrapped} as {_WORDS.get(expected, expected)}",
            0.6,
        )
    if expected == "usize" and found.startswith(("&[", "[", "Vec", "&Vec", "String", "&str")):
        yield f"take the length of `{code}`", f"{wrapped}.len()", 0.6
    if is_integer(expected) and found == "char":
        yield f"convert `{code}` to {expected}", f"{wrapped} as {expected}", 0.6
    if expected == "u8" and re.fullmatch(r"'[ -~]'", code):
        yield "write a byte", f"b{code}", 0.7
    yield from _wrappings(expected, found, code, wrapped)
    if bare_expected and bare_found and expected != "()":
        yield f"convert `{code}`", f"{wrapped}.into()", 0.4
    yield from _risky_conversions(expected, found, wrapped)


def _numbers(expected: str, code: str, wrapped: str) -> Iterator[tuple[str, str, float]]:
    literal = re.fullmatch(r"(-?[\d_]+(?:\.[\d_]*)?)_?([iuf]\w+)?", code)
    target = _WORDS.get(expected, expected)
    if literal:
        digits, suffix = literal[1], literal[2]
        if is_float(expected) and "." not in digits:
            yield "write a floating-point number", f"{digits}.0", 0.85
        if is_integer(expected) and re.search(r"\.0*$", digits):
            yield "write an integer", digits.split(".")[0], 0.8
        if suffix:
            yield f"make the number {target}", f"{digits}{target}", 0.85
            yield "leave the number's type open", digits, 0.8
    yield f"convert `{code}` to {target}", f"{wrapped} as {target}", 0.65
    yield f"convert `{code}` to {target}", f"{target}::from({code})", 0.5


def _wrappings(
    expected: str, found: str, code: str, wrapped: str
) -> Iterator[tuple[str, str, float]]:
    for outer, constructor in (
        ("Option<", "Some"),
        ("Result<", "Ok"),
        ("Box<", "Box::new"),
        ("Rc<", "std::rc::Rc::new"),
        ("Arc<", "std::sync::Arc::new"),
        ("RefCell<", "std::cell::RefCell::new"),
        ("Mutex<", "std::sync::Mutex::new"),
        ("Cow<", "std::borrow::Cow::from"),
        ("Rc<RefCell<", "std::rc::Rc::new(std::cell::RefCell::new"),
    ):
        if _bare(expected).startswith(outer) and not _bare(found).startswith(outer):
            closing = ")" * (constructor.count("(") + 1)
            yield (
                f"wrap `{code}` in {constructor.removesuffix('::new').split('::')[-1]}",
                f"{constructor}({code}{closing}",
                0.75,
            )
    if found.startswith(("Vec<", "&Vec<")) and expected.startswith("&["):
        yield f"borrow `{code}` as a slice", f"&{wrapped}[..]", 0.5
    if expected.startswith("Vec<"):
        yield f"collect `{code}` into a Vec", f"{wrapped}.to_vec()", 0.5
        yield f"collect `{code}` into a Vec", f"{wrapped}.into_iter().collect()", 0.4
        if array := re.fullmatch(r"&?(\[.*\])", code, re.S):
            yield "write a Vec", f"vec!{array[1]}", 0.8
    if re.match(r"\[.*;\s*\w+\]", expected) and code.startswith("vec!["):
        yield "write an array", code.removeprefix("vec!"), 0.7
    if found.startswith("Option<") and found[7:-1] == expected:
        yield f"use the value's default for None of `{code}`", f"{wrapped}.unwrap_or_default()", 0.4
        yield f"return early where `{code}` is None", f"{wrapped}?", 0.6
    if found.startswith("Result<"):
        yield f"propagate the error of `{code}`", f"{wrapped}?", 0.6
        if expected.startswith("Option<"):
            yield f"turn `{code}` into an Option", f"{wrapped}.ok()", 0.7
    if found.startswith("Option<&") and not expected.startswith("Option<&"):
        yield f"clone the value in `{code}`", f"{wrapped}.cloned()", 0.6
    if found.startswith("Option<String") and expected.startswith("Option<&str"):
        yield f"borrow the value in `{code}`", f"{wrapped}.as_deref()", 0.7
    if expected.startswith("Option<&") and found.startswith(("Option<", "&Option<")):
        yield f"borrow the value in `{code}`", f"{wrapped}.as_ref()", 0.7


def _risky_conversions(expected: str, found: str, wrapped: str) -> Iterator[tuple[str, str, float]]:
    if is_integer(expected) and is_integer(found):
        yield (
            f"convert to {expected}, panic where it does not fit",
            (f"{wrapped}.try_into().unwrap()"),
            0.35,
        )
    if found.startswith(("Option<", "Result<")):
        yield f"unwrap `{wrapped}`", f"{wrapped}.unwrap()", 0.4
    if is_number(expected) and _bare(found) in ("str", "String"):
        yield f"parse `{wrapped}`", f"{wrapped}.parse().unwrap()", 0.4


def change_declared_type(problem: Problem) -> Iterator[Candidate]:
    """Change the type that is written where the expectation comes from to what was found."""
    _, found = problem.expected_found
    found = _WORDS.get(found, found)
    if not _writable(found):
        return
    for span in problem.labelled(
        r"expected due to this|because of (?:this )?return type|^expected `"
    ):
        if span.is_primary or span.path not in problem.paths:
            continue
        source = problem.source(span.path)
        old = source.slice(span.byte_start, span.byte_end)
        node = problem.node_of(span)
        if node.type in ("parameter", "field_declaration", "let_declaration"):
            typed = field(node, "type")
            if typed is not None:
                edit = source.replace(typed, found)
                yield problem.propose(
                    f"change the type to `{found}`", edit, 0.35, *_weakening(found)
                )
        elif "type" in node.type or node.type == "unit_type" or old in ("_",):
            edit = problem.edit(span, found)
            yield problem.propose(
                f"change the type `{old}` to `{found}`", edit, 0.45, *_weakening(found)
            )
    yield from _change_parameter(problem, found)


def _change_parameter(problem: Problem, found: str) -> Iterator[Candidate]:
    for note in problem.error.notes:
        if not re.search(
            r"(?:function|method|associated function|tuple \w+) defined here", note.message
        ):
            continue
        for span in note.spans:
            if span.is_primary or span.path not in problem.paths:
                continue
            node = problem.node_of(span)
            typed = field(node, "type") if node.type == "parameter" else None
            if typed is not None:
                source = problem.source(span.path)
                yield problem.propose(
                    f"change the parameter's type to `{found}`", source.replace(typed, found), 0.3
                )


def change_return_type(problem: Problem) -> Iterator[Candidate]:
    """Make the function return what its body gives, or nothing."""
    function = problem.here.around(
        problem.span.byte_start, problem.span.byte_end, "function_item", "closure_expression"
    )
    if function is None or function.type != "function_item":
        return
    here = problem.here
    _expected, found = problem.expected_found
    found = _WORDS.get(found, found)
    declared = field(function, "return_type")
    body = field(function, "body")
    is_main = here.of(field(function, "name") or function) == "main"
    if body is None:
        return
    if declared is None and _writable(found) and not is_main and found != "()":
        parameters = field(function, "parameters")
        if parameters is not None:
            yield problem.propose(
                f"return `{found}`", here.insert(parameters.end_byte, f" -> {found}"), 0.5
            )
    if declared is not None:
        if _writable(found) and found != here.of(declared):
            edit = here.replace(declared, found)
            yield problem.propose(f"return `{found}`", edit, 0.4, *_weakening(found))
        last = _last_statement(body)
        if last is not None and last.type == "expression_statement":
            text = here.of(last)
            if text.endswith(";"):
                yield problem.propose(
                    "return the last expression: no semicolon",
                    here.replace(last, text[:-1]),
                    0.8,
                )
        if found != "()":
            return
        value, name = plain_value(here.of(declared)), _last_binding(here, body)
        if value is not None:
            weight = 0.35 if here.of(declared).startswith("Result") else 0.2
            edits = _at_the_end(here, function, body, value)
            yield problem.invent(f"return `{value}` at the end", edits, weight)
        if name is not None:
            edits = _at_the_end(here, function, body, name)
            yield problem.propose(f"return `{name}` at the end", edits, 0.4)


def _at_the_end(source: SourceText, function: Node, body: Node, value: str) -> list[Edit]:
    """The edits that let the body end with `value`, what it ends with now being a statement."""
    at = source.line_start(body.end_byte - 1)
    edits = [source.insert(at, f"{source.indent(function.start_byte)}    {value}\n")]
    last = _last_statement(body)
    if last is not None and not source.of(last).endswith((";", "}")):
        edits.insert(0, source.insert(last.end_byte, ";"))
    return edits


def _last_statement(body: Node) -> Node | None:
    inside = [n for n in body.named_children if "comment" not in n.type]
    return inside[-1] if inside else None


def _last_binding(source: SourceText, body: Node) -> str | None:
    names = [
        source.of(pattern)
        for node in body.named_children
        if node.type == "let_declaration"
        and (pattern := field(node, "pattern")) is not None
        and pattern.type == "identifier"
    ]
    return names[-1] if names else None


def balance_operands(problem: Problem) -> Iterator[Candidate]:
    """Convert one side of a binary operator to the type of the other."""
    node: Node | None = problem.node
    while node is not None and node.type not in (
        "binary_expression",
        "compound_assignment_expr",
        "assignment_expression",
    ):
        if node.type in ("block", "function_item"):
            return
        node = node.parent
    left, right = field(node, "left"), field(node, "right")
    if node is None or left is None or right is None:
        return
    here = problem.here
    types = [_WORDS.get(t, t) for t in (*problem.expected_found, *problem.quoted)]
    numbers = [t for t in dict.fromkeys(types) if is_number(t)]
    for side in (left, right):
        text = here.of(side)
        wrapped = f"({text})" if needs_parentheses(side) else text
        for number in numbers:
            if re.fullmatch(r"[\d_]+\.0*", text) and is_integer(number):
                yield problem.propose(
                    "write an integer", here.replace(side, text.split(".")[0]), 0.7
                )
            if re.fullmatch(r"[\d_]+", text) and is_float(number):
                yield problem.propose(
                    "write a floating-point number", here.replace(side, f"{text}.0"), 0.7
                )
            elif node.type == "binary_expression" or side is right:
                yield problem.propose(
                    f"convert `{text}` to {number}",
                    here.replace(side, f"{wrapped} as {number}"),
                    0.58 if is_float(number) else 0.52,
                )
        if node.type == "binary_expression" or side is right:
            yield problem.propose(f"dereference `{text}`", here.replace(side, f"*{wrapped}"), 0.5)
            yield problem.propose(f"borrow `{text}`", here.replace(side, f"&{wrapped}"), 0.5)
    yield problem.propose(
        "dereference both sides",
        [here.wrap(left, "*", ""), here.wrap(right, "*", "")],
        0.3,
    )
    text = here.of(left)
    if node.type == "assignment_expression" or here.of(node).count("="):
        yield problem.propose(f"assign to what `{text}` points to", here.wrap(left, "*", ""), 0.6)


def complete_branches(problem: Problem) -> Iterator[Candidate]:
    """Give an `if` that has a value an else branch, or a branch of a match a value of its type."""
    node = problem.here.around(problem.span.byte_start, problem.span.byte_end, "if_expression")
    expected, found = problem.expected_found
    for wanted in (found, expected):
        value = plain_value(wanted)
        if node is not None and field(node, "alternative") is None and value is not None:
            yield problem.invent(
                f"add an else branch with `{value}`",
                problem.here.insert(node.end_byte, f" else {{ {value} }}"),
                0.4,
            )
    if node is not None:
        for block in walk(node, "block"):
            last = _last_statement(block)
            if last is not None and last.type == "expression_statement":
                text = problem.here.of(last)
                if text.endswith(";"):
                    yield problem.propose(
                        "let the branch have a value: no semicolon",
                        problem.here.replace(last, text[:-1]),
                        0.5,
                    )


def unify_literals(problem: Problem) -> Iterator[Candidate]:
    """Give literals that stand beside each other the same type."""
    expected, found = problem.expected_found
    value = plain_value(expected)
    if value is not None and problem.node.type.endswith("_literal"):
        yield problem.invent(
            f"write a value of type `{expected}`", problem.edit(problem.span, value), 0.15
        )
    for span in problem.labelled(
        "expected because this is|expected due to this value|arguments to this"
    ):
        literal = problem.source(span.path).slice(span.byte_start, span.byte_end)
        if is_float(found) and re.fullmatch(r"[\d_]+", literal):
            yield problem.propose(
                "write a floating-point number", problem.edit(span, f"{literal}.0"), 0.4
            )


def _weakening(type_: str) -> tuple[Caution, ...]:
    """The caution of writing this type where another one stood."""
    return ("weakens a type",) if type_ in ("()", "_", "!") else ()


def _bare(type_: str) -> str:
    return re.sub(r"^(?:&+(?:'\w+ )?(?:mut )?)+", "", type_)


def _writable(type_: str) -> bool:
    """Whether a type that rustc names can be written in a program."""
    return bool(type_) and not re.search(
        r"[{}@]|^fn item|^closure|impl |^_$|\.\.\.|^(?:struct|enum|fn|type|reference|opaque|trait|"
        r"associated|enum variant|array|slice|tuple|function|constructor|\w+ of)$|_\b(?<=[<, ]_)",
        type_,
    )
