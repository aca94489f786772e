"""What is changed must be declared so: E0384, E0594, E0596, E0381 and their kind."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from m31r_core.repair.candidates import Candidate
from m31r_core.repair.edits import Edit
from m31r_core.repair.names import identifiers
from m31r_core.repair.problem import Problem
from m31r_core.repair.source import SourceText, field, walk
from m31r_core.repair.values import plain_value


def declare_mutable(problem: Problem) -> Iterator[Candidate]:
    """Add `mut` to the binding, parameter or pattern of the name that is changed."""
    here = problem.here
    function = here.around(problem.span.byte_start, problem.span.byte_end, "function_item")
    names = [n for quoted in problem.quoted for n in identifiers(quoted)] or identifiers(
        problem.code
    )
    if function is None:
        return
    for name in dict.fromkeys(names):
        for node in walk(
            function,
            "let_declaration",
            "parameter",
            "closure_parameters",
            "for_expression",
            "match_pattern",
            "let_condition",
        ):
            pattern = field(node, "pattern") or node
            for identifier in walk(pattern, "identifier"):
                before = here.slice(max(0, identifier.start_byte - 4), identifier.start_byte)
                if here.of(identifier) == name and before != "mut ":
                    yield problem.propose(
                        f"make `{name}` mutable", here.replace(identifier, f"mut {name}"), 0.8
                    )
                    break


def borrow_mutably(problem: Problem) -> Iterator[Candidate]:
    """Turn the shared reference that is changed through into a mutable one."""
    here = problem.here
    function = here.around(problem.span.byte_start, problem.span.byte_end, "function_item")
    if function is None:
        return
    names = [n for quoted in problem.quoted for n in identifiers(quoted)] or identifiers(
        problem.code
    )
    parameters = field(function, "parameters")
    for parameter in parameters.named_children if parameters is not None else []:
        text = here.of(parameter)
        if parameter.type == "self_parameter" and ("self" in names or "self" in problem.code):
            if re.fullmatch(r"&(?:'\w+ )?self", text):
                changed = text.replace("self", "mut self")
                yield problem.propose("take `&mut self`", here.replace(parameter, changed), 0.8)
                yield from _mutable_callers(problem, here.replace(parameter, changed))
            elif text == "self":
                yield problem.propose("take `mut self`", here.replace(parameter, "mut self"), 0.7)
        type_ = field(parameter, "type")
        pattern = field(parameter, "pattern")
        if type_ is None or pattern is None or here.of(pattern) not in names:
            continue
        old = here.of(type_)
        if re.match(r"&(?:'\w+ )?(?!mut\b)", old):
            new = re.sub(r"^&('\w+ )?", r"&\1mut ", old)
            edit = here.replace(type_, new)
            yield problem.propose(f"take `{new}`", edit, 0.7)
            yield from _mutable_callers(problem, edit)
    for let in walk(function, "let_declaration"):
        pattern, value = field(let, "pattern"), field(let, "value")
        if pattern is None or value is None or here.of(pattern) not in names:
            continue
        text = here.of(value)
        edits = []
        if value.type == "reference_expression" and not text.startswith("&mut"):
            edits = [here.replace(value, re.sub(r"^&", "&mut ", text))]
        elif re.search(r"\.(?:iter|get|first|last|as_ref|borrow|peek|values)\(", text):
            mutable = re.sub(
                r"\.(iter|get|first|last|borrow|peek|values)\(", r".\1_mut(", text
            ).replace(".as_ref(", ".as_mut(")
            edits = [here.replace(value, mutable)]
        if edits:
            yield problem.propose("borrow mutably", edits, 0.7)
            owner = identifiers(text.lstrip("&"))[:1]
            yield from _with_mutable_owner(problem, edits, owner)
    for loop in walk(function, "for_expression"):
        pattern, value = field(loop, "pattern"), field(loop, "value")
        if pattern is None or value is None or not set(names) & set(identifiers(here.of(pattern))):
            continue
        text = here.of(value)
        if text.startswith("&") and not text.startswith("&mut"):
            changed = f"&mut {text[1:]}"
        else:
            changed = re.sub(r"\.(iter|values)\(\)", r".\1_mut()", text)
        if changed != text:
            yield problem.propose(f"iterate over `{changed}`", here.replace(value, changed), 0.7)
            yield from _with_mutable_owner(
                problem, [here.replace(value, changed)], identifiers(text.lstrip("&"))[:1]
            )


def _with_mutable_owner(
    problem: Problem, edits: list[Edit], names: list[str]
) -> Iterator[Candidate]:
    here = problem.here
    function = here.around(problem.span.byte_start, problem.span.byte_end, "function_item")
    for name in names:
        for node in walk(function, "let_declaration", "parameter") if function else ():
            pattern = field(node, "pattern")
            if pattern is None or here.of(pattern) != name:
                continue
            if not here.slice(node.start_byte, pattern.start_byte).endswith("mut "):
                yield problem.propose(
                    f"borrow `{name}` mutably",
                    [*edits, here.insert(pattern.start_byte, "mut ")],
                    0.6,
                )


def _mutable_callers(problem: Problem, declaration: Edit) -> Iterator[Candidate]:
    """Change a parameter to `&mut` together with the `&x` that its callers pass."""
    here = problem.here
    name = field(here.around(declaration.start, declaration.end, "function_item"), "name")
    if name is None:
        return
    edits = [declaration]
    for source in problem.sources():
        for argument in _shared_arguments(source, here.of(name)):
            text = source.of(argument)
            edits.append(source.replace(argument, f"&mut {text[1:].strip()}"))
            edits += _declarations(source, identifiers(text)[:1])
    if len(edits) > 1:
        yield problem.propose("borrow mutably, callers too", dict.fromkeys(edits), 0.5)


def _shared_arguments(source: SourceText, function: str) -> Iterator[Node]:
    """Yield the arguments `&x` of the calls of a function or method of this name."""
    for call in source.walk("call_expression"):
        called, arguments = field(call, "function"), field(call, "arguments")
        if called is None or arguments is None:
            continue
        if re.split(r"::|\.", source.of(called))[-1] == function:
            for argument in arguments.named_children:
                is_reference = argument.type == "reference_expression"
                if is_reference and not source.of(argument).startswith("&mut"):
                    yield argument


def _declarations(source: SourceText, names: list[str]) -> Iterator[Edit]:
    """Yield the edits that make the bindings of these names mutable."""
    for let in source.walk("let_declaration"):
        pattern = field(let, "pattern")
        if pattern is None or source.of(pattern) not in names:
            continue
        if not source.slice(let.start_byte, pattern.start_byte).endswith("mut "):
            yield source.insert(pattern.start_byte, "mut ")


def mutable_field_reference(problem: Problem) -> Iterator[Candidate]:
    """Make a field that holds `&T` hold `&mut T`."""
    for span in problem.labelled(r"`&` reference|consider changing this to be a mutable"):
        node = problem.node_of(span)
        source = problem.source(span.path)
        text = source.of(node)
        if node.type == "reference_type" and "mut" not in text:
            changed = re.sub(r"^&('\w+ )?", r"&\1mut ", text)
            yield problem.propose(
                f"change the type to `{changed}`", source.replace(node, changed), 0.5
            )


def initialise(problem: Problem) -> Iterator[Candidate]:
    """Give a binding a value where it is declared."""
    here = problem.here
    for span in problem.labelled(r"binding declared here|declared here but"):
        source = problem.source(span.path)
        let = source.around(span.byte_start, span.byte_end, "let_declaration")
        if let is None or field(let, "value") is not None:
            continue
        type_ = field(let, "type")
        values = ["Default::default()", "0", "None", "String::new()", "Vec::new()", "false"]
        if type_ is not None:
            known = plain_value(source.of(type_))
            values = [known, "Default::default()"] if known else ["Default::default()"]
        for i, value in enumerate(values):
            yield problem.invent(
                f"begin with `{value}`",
                source.insert(let.end_byte - 1, f" = {value}"),
                0.6 - 0.05 * i,
            )
    branch = here.around(problem.span.byte_start, problem.span.byte_end, "function_item")
    for conditional in walk(branch, "if_expression") if branch is not None else ():
        if field(conditional, "alternative") is None:
            for name in problem.quoted[:1]:
                if f"{name} =" in here.of(conditional):
                    yield problem.invent(
                        f"give `{name}` a value in the other case too",
                        here.insert(
                            conditional.end_byte, f" else {{ {name} = Default::default(); }}"
                        ),
                        0.5,
                    )


def shadow(problem: Problem) -> Iterator[Candidate]:
    """Declare a second binding of the name instead of assigning to the first."""
    node = problem.here.around(
        problem.span.byte_start, problem.span.byte_end, "expression_statement"
    )
    if node is not None and re.match(r"\w+\s*=[^=]", problem.here.of(node)):
        yield problem.propose(
            "declare a new binding", problem.here.insert(node.start_byte, "let "), 0.35
        )
    if re.fullmatch(r"\w+\s*[-+*/]?=.*", problem.code) and node is None:
        yield problem.propose(
            "declare a new binding", problem.here.insert(problem.span.byte_start, "let "), 0.2
        )
