"""Values that are used after they were moved, or moved out of what is only borrowed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from m31r_core.cargo.diagnostics import Span
from m31r_core.repair.candidates import Candidate
from m31r_core.repair.names import find_definition
from m31r_core.repair.problem import Problem
from m31r_core.repair.source import field, needs_parentheses, walk
from m31r_core.repair.templates.traits import add_derive

_MOVED = r"value moved (?:here|into closure here)|moved due to|move out of"


def clone_at_move(problem: Problem) -> Iterator[Candidate]:
    """Clone where the value is moved."""
    for span in _moves(problem):
        source = problem.source(span.path)
        code = source.slice(span.byte_start, span.byte_end)
        if re.fullmatch(r"[\w.*()\[\]&]+", code) and not code.endswith(")"):
            yield problem.propose(f"clone `{code}`", problem.edit(span, f"{code}.clone()"), 0.6)
            yield problem.propose(f"borrow `{code}`", problem.edit(span, f"&{code}"), 0.65)
        elif code.endswith(")"):
            receiver = field(field(problem.node_of(span), "function"), "value")
            if receiver is not None:
                name = source.of(receiver)
                yield problem.propose(
                    f"clone `{name}`", source.replace(receiver, f"{name}.clone()"), 0.5
                )


def _moves(problem: Problem) -> Iterator[Span]:
    yield from problem.labelled(_MOVED)
    if not any(True for _ in problem.labelled(_MOVED)):
        yield problem.span


def borrow_at_move(problem: Problem) -> Iterator[Candidate]:
    """Lend the value where it is moved: in a call (with the parameter), a loop, a match."""
    for span in _moves(problem):
        source = problem.source(span.path)
        node = problem.node_of(span)
        code = source.slice(span.byte_start, span.byte_end)
        if node.parent is not None and node.parent.type == "arguments":
            yield from _lend_argument(problem, node, code)
        loop = source.around(span.byte_start, span.byte_end, "for_expression")
        value = field(loop, "value")
        if value is not None and value.start_byte <= span.byte_start <= value.end_byte:
            text = source.of(value)
            bare = text.removesuffix(".into_iter()")
            for form, weight in ((f"&{bare}", 0.7), (f"&mut {bare}", 0.4), (f"{bare}.iter()", 0.5)):
                yield problem.propose(f"iterate over `{form}`", source.replace(value, form), weight)
        matched = source.around(
            span.byte_start, span.byte_end, "match_expression", "if_expression", "let_condition"
        )
        value = field(matched, "value")
        if value is not None and value.start_byte <= span.byte_start <= value.end_byte:
            text = source.of(value)
            for form, weight in (
                (f"&{text}", 0.65),
                (f"&mut {text}", 0.4),
                (f"{text}.as_ref()", 0.4),
                (f"{text}.clone()", 0.45),
            ):
                yield problem.propose(f"look into `{form}`", source.replace(value, form), weight)
        if ".into_iter()" in source.slice(
            span.byte_start - 40 if span.byte_start > 40 else 0, span.byte_end
        ):
            near = source.node(span.byte_start, span.byte_end)
            text = source.of(near)
            if "into_iter" in text:
                yield problem.propose(
                    "iterate without taking",
                    source.replace(near, text.replace("into_iter", "iter")),
                    0.6,
                )


def _lend_argument(problem: Problem, argument: Node, code: str) -> Iterator[Candidate]:
    """Borrow an argument, and have the parameter take a reference where that is ours."""
    source = problem.here
    call = argument.parent.parent if argument.parent is not None else None
    function = field(call, "function")
    if call is None or function is None or argument.parent is None:
        return
    position = [n.id for n in argument.parent.named_children].index(argument.id)
    found = find_definition(problem, source.of(function), "function")
    borrow = source.replace(argument, f"&{code}")
    if found is None:
        return
    where, definition = found
    parameters = field(definition, "parameters")
    typed = [n for n in parameters.named_children if n.type == "parameter"] if parameters else []
    if position < len(typed):
        type_ = field(typed[position], "type")
        if type_ is not None and not where.of(type_).startswith("&"):
            name = where.of(field(definition, "name") or definition)
            for form, weight in ((f"&{where.of(type_)}", 0.65),):
                yield problem.propose(
                    f"lend `{code}` to `{name}`", [where.replace(type_, form), borrow], weight
                )
            slices = {"String": "&str"}
            if where.of(type_) in slices:
                yield problem.propose(
                    f"lend `{code}` to `{name}`",
                    [where.replace(type_, slices[where.of(type_)]), borrow],
                    0.6,
                )


def borrow_in_pattern(problem: Problem) -> Iterator[Candidate]:
    """Bind by reference where a pattern takes a part out of a value."""
    for span in problem.labelled(
        r"value (?:partially )?moved here|data moved here|and here|move occurs"
    ):
        node = problem.node_of(span)
        if node.type == "identifier":
            source = problem.source(span.path)
            yield problem.propose(
                f"bind `{source.of(node)}` by reference",
                source.replace(node, f"ref {source.of(node)}"),
                0.55,
            )
    let = problem.here.around(problem.span.byte_start, problem.span.byte_end, "let_declaration")
    value = field(let, "value")
    if value is not None:
        yield problem.propose("borrow the whole value", problem.here.wrap(value, "&", ""), 0.45)


def borrow_out(problem: Problem) -> Iterator[Candidate]:
    """Take from behind a reference without moving: borrow, clone, take, copy."""
    code, node, here = problem.code, problem.node, problem.here
    if not code or len(code) > 200:
        return
    wrapped = f"({code})" if needs_parentheses(node) else code
    forms: list[tuple[str, str, float]] = [
        (f"borrow `{code}`", f"&{code}", 0.65),
        (f"clone `{code}`", f"{wrapped}.clone()", 0.6),
        (f"take `{code}` and leave its default", f"std::mem::take(&mut {code})", 0.3),
        (f"take `{code}` and leave None", f"{wrapped}.take()", 0.35),
        (f"borrow what is in `{code}`", f"{wrapped}.as_ref()", 0.5),
        (f"borrow what is in `{code}` mutably", f"{wrapped}.as_mut()", 0.35),
    ]
    if code.startswith("*"):
        forms.append((f"borrow `{code[1:]}`", code[1:], 0.6))
        forms.append((f"clone `{code}`", f"({code}).clone()", 0.6))
    for title, form, weight in forms:
        yield problem.propose(title, problem.edit(problem.span, form), weight)
    method = here.around(problem.span.byte_start, problem.span.byte_end, "function_item")
    parameters = field(method, "parameters")
    for parameter in parameters.named_children if parameters is not None else []:
        if parameter.type == "self_parameter" and here.of(parameter) in ("&self", "&mut self"):
            yield problem.propose("take self by value", here.replace(parameter, "self"), 0.3)


def derive_copy(problem: Problem) -> Iterator[Candidate]:
    """Make the type Copy or Clone where it is ours."""
    for text in [note.message for note in problem.error.notes] + [
        s.label or "" for s in problem.error.spans
    ]:
        match = re.search(r"has type `([^`]+)`, which does not implement the `Copy` trait", text)
        if match:
            yield from add_derive(problem, match[1], ("Clone", "Copy"), 0.4)
            for candidate in add_derive(problem, match[1], ("Clone",), 0.55):
                clones = [c for c in clone_at_move(problem) if c.title.startswith("clone")]
                for clone in clones[:2]:
                    yield problem.propose(
                        f"{clone.title}, which needs Clone",
                        [*candidate.edits, *clone.edits],
                        0.5,
                    )


def keep_closure(problem: Problem) -> Iterator[Candidate]:
    """Let a closure borrow what it does not need to own, or clone for it before."""
    here = problem.here
    for span in problem.labelled(r"value moved into closure here|moved into"):
        closure = problem.source(span.path).around(
            span.byte_start, span.byte_end, "closure_expression", "async_block"
        )
        if closure is None:
            continue
        text = here.of(closure)
        if text.startswith("move "):
            yield problem.propose(
                "let the closure borrow", here.replace(closure, text.removeprefix("move ")), 0.45
            )
        for name in problem.quoted[:1]:
            statement: Node | None = closure
            while (
                statement is not None
                and statement.parent is not None
                and statement.parent.type != "block"
            ):
                statement = statement.parent
            if statement is None or not name.isidentifier():
                continue
            indent = here.indent(statement.start_byte)
            copy = f"{name}_clone"
            body = re.sub(rf"\b{re.escape(name)}\b", copy, text)
            yield problem.propose(
                f"give the closure a clone of `{name}`",
                [
                    here.insert(
                        here.line_start(statement.start_byte),
                        f"{indent}let {copy} = {name}.clone();\n",
                    ),
                    here.replace(closure, body),
                ],
                0.5,
            )


def take_self_by_reference(problem: Problem) -> Iterator[Candidate]:
    """Let a method of ours that takes `self` borrow it where a call moves the value."""
    for span in problem.noted(r"takes ownership of the receiver `self`"):
        source = problem.source(span.path)
        if source.slice(span.byte_start, span.byte_end) == "self":
            yield problem.propose("let the method borrow self", problem.edit(span, "&self"), 0.55)
            yield problem.propose(
                "let the method borrow self mutably", problem.edit(span, "&mut self"), 0.35
            )


def rebind_result(problem: Problem) -> Iterator[Candidate]:
    """Take back what a function returns after it was given the value: `let x = f(x)`."""
    for span in _moves(problem):
        source = problem.source(span.path)
        code = source.slice(span.byte_start, span.byte_end)
        statement = source.around(span.byte_start, span.byte_end, "expression_statement")
        if statement is not None and code.isidentifier():
            text = source.of(statement)
            if text.endswith(";") and "=" not in text:
                yield problem.propose(
                    f"keep what comes back as `{code}`",
                    source.replace(statement, f"let {code} = {text}"),
                    0.2,
                )


def reborrow(problem: Problem) -> Iterator[Candidate]:
    """Lend a mutable reference again instead of giving it away."""
    for span in _moves(problem):
        source = problem.source(span.path)
        code = source.slice(span.byte_start, span.byte_end)
        if re.fullmatch(r"\w+", code):
            yield problem.propose(f"lend `{code}` again", problem.edit(span, f"&mut *{code}"), 0.35)


def copy_out_of_loop(problem: Problem) -> Iterator[Candidate]:
    """Clone in each turn of a loop what the loop gives away."""
    loop = problem.here.around(
        problem.span.byte_start,
        problem.span.byte_end,
        "for_expression",
        "while_expression",
        "loop_expression",
    )
    if loop is None:
        return
    for name in problem.quoted[:1]:
        for identifier in walk(loop, "identifier"):
            if (
                problem.here.of(identifier) == name
                and identifier.parent is not None
                and identifier.parent.type == "arguments"
            ):
                yield problem.propose(
                    f"clone `{name}` in each turn",
                    problem.here.replace(identifier, f"{name}.clone()"),
                    0.5,
                )
