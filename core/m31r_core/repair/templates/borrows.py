"""Borrows that conflict, and values that do not live long enough."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from m31r_core.cargo.diagnostics import Span
from m31r_core.repair.candidates import Candidate
from m31r_core.repair.edits import Edit
from m31r_core.repair.names import identifiers
from m31r_core.repair.problem import Problem
from m31r_core.repair.source import SourceText, field, needs_parentheses, statement_of, walk


def copy_the_first_borrow(problem: Problem) -> Iterator[Candidate]:
    """Own what the first borrow gives, so that the borrow ends there."""
    for span in problem.labelled(r"borrow of .*occurs here|is borrowed here|borrow occurs here"):
        if span.is_primary:
            continue
        source = problem.source(span.path)
        statement = statement_of(problem.node_of(span))
        if statement is None or statement.type != "let_declaration":
            continue
        value = field(statement, "value")
        if value is None:
            continue
        text = source.of(value)
        if text.startswith("&mut "):
            continue
        if value.type == "reference_expression":
            inner = source.of(field(value, "value") or value)
            yield problem.propose(
                f"clone `{inner}` instead of borrowing it",
                source.replace(value, f"{inner}.clone()"),
                0.5,
            )
            yield problem.propose(
                f"copy `{inner}` instead of borrowing it", source.replace(value, inner), 0.52
            )
        else:
            for method in ("clone", "to_owned", "cloned", "to_vec", "to_string"):
                wrapped = f"({text})" if needs_parentheses(value) else text
                yield problem.propose(
                    f"make what `{text}` gives owned: {method}()",
                    source.replace(value, f"{wrapped}.{method}()"),
                    0.35,
                )


def clone_the_borrowed(problem: Problem) -> Iterator[Candidate]:
    """Clone the value at the conflicting place."""
    code = problem.code
    node = problem.node
    if node.type in ("identifier", "field_expression", "self", "index_expression"):
        yield problem.propose(f"clone `{code}`", problem.edit(problem.span, f"{code}.clone()"), 0.4)


def reorder(problem: Problem) -> Iterator[Candidate]:
    """Move statements so that the borrow ends before the conflict, or begins after it."""
    conflict = statement_of(problem.node)
    if conflict is None:
        return
    here = problem.here
    for span in problem.labelled(r"later used here|used here, in later iteration|borrow later"):
        use = _sibling(problem, span, conflict)
        if use is None or use.start_byte <= conflict.start_byte:
            continue
        yield _move(
            problem, here, use, conflict.start_byte, "use the borrow before the conflict", 0.55
        )
        yield _move(
            problem,
            here,
            conflict,
            here.line_end(use.end_byte),
            "do this after the last use of the borrow",
            0.6,
        )
    for span in problem.labelled(
        r"(?:first )?(?:mutable |immutable )?borrow (?:of .*)?occurs here|is borrowed here"
    ):
        first = _sibling(problem, span, conflict)
        if first is None or first.start_byte >= conflict.start_byte:
            continue
        yield _move(
            problem, here, first, here.line_end(conflict.end_byte), "borrow only after this", 0.55
        )
        yield _move(
            problem, here, conflict, first.start_byte, "do this before the borrow begins", 0.5
        )
        if first.type == "let_declaration":
            between = here.slice(first.start_byte, first.end_byte)
            pattern = field(first, "pattern")
            if pattern is not None and pattern.type == "identifier":
                again = here.insert(
                    here.line_end(conflict.end_byte), f"{here.indent(first.start_byte)}{between}\n"
                )
                yield problem.propose(f"borrow `{here.of(pattern)}` again after this", again, 0.35)


def _sibling(problem: Problem, span: Span, beside: Node) -> Node | None:
    """The statement of `span` that stands in the same block as `beside`."""
    if span.path != problem.here.path or beside.parent is None:
        return None
    node: Node | None = problem.node_of(span)
    while node is not None and node.parent is not None:
        if node.parent.id == beside.parent.id:
            return node if node.id != beside.id else None
        node = node.parent
    return None


def _move(
    problem: Problem, here: SourceText, node: Node, to: int, title: str, weight: float
) -> Candidate:
    start, end = here.line_start(node.start_byte), here.line_end(node.end_byte)
    alone = not here.slice(start, node.start_byte).strip()
    if not alone:
        start, end = node.start_byte, node.end_byte
    text = here.slice(start, end)
    if alone:
        to = here.line_start(to)
    if not text.endswith("\n") and alone:
        text += "\n"
    if node.type not in ("let_declaration", "expression_statement") and not text.rstrip().endswith(
        ("}", ";")
    ):
        text = text.rstrip() + ";\n"
    edits = [Edit(here.path, start, end, ""), here.insert(to, text)]
    passed = here.slice(min(to, end), max(to, start))
    about = set(identifiers(" ".join(problem.quoted[:1])))
    # Reading a value before and after it changes is not the same, whatever rustc says.
    if about & set(identifiers(text)) & set(identifiers(passed)):
        return problem.propose(title, edits, weight, "changes the order")
    return problem.propose(title, edits, weight)


def extract_argument(problem: Problem) -> Iterator[Candidate]:
    """Compute an argument before the call that borrows its receiver."""
    here = problem.here
    statement = statement_of(problem.node)
    call = problem.here.around(problem.span.byte_start, problem.span.byte_end, "call_expression")
    while statement is not None and call is not None and call.start_byte >= statement.start_byte:
        arguments = field(call, "arguments")
        for argument in [] if arguments is None else arguments.named_children:
            if not any(
                True
                for _ in walk(argument, "call_expression", "field_expression", "index_expression")
            ):
                continue
            name = _fresh(here, "value")
            indent = here.indent(statement.start_byte)
            at = here.line_start(statement.start_byte)
            yield problem.propose(
                f"compute `{here.of(argument)}` first",
                [
                    here.insert(at, f"{indent}let {name} = {here.of(argument)};\n"),
                    here.replace(argument, name),
                ],
                0.5,
            )
        parent = call.parent
        while parent is not None and parent.type != "call_expression":
            parent = parent.parent
        call = parent


def _fresh(source: SourceText, name: str) -> str:
    number, fresh = 1, name
    while re.search(rb"\b" + fresh.encode() + rb"\b", source.text):
        number += 1
        fresh = f"{name}{number}"
    return fresh


def hoist(problem: Problem) -> Iterator[Candidate]:
    """Let a value live as long as what borrows from it: move its `let` out of the inner block."""
    here = problem.here
    names = set(problem.quoted)
    function = here.around(problem.span.byte_start, problem.span.byte_end, "function_item")
    block = here.around(problem.span.byte_start, problem.span.byte_end, "block")
    if function is None or block is None:
        return
    for let in walk(block, "let_declaration"):
        pattern = field(let, "pattern")
        if pattern is None or here.of(pattern).removeprefix("mut ") not in names:
            continue
        outer = block
        while outer.parent is not None and outer.parent.type != "block":
            outer = outer.parent
        if outer.parent is None or outer.type == "function_item":
            continue
        at = here.line_start(outer.start_byte)
        indent = here.indent(outer.start_byte)
        yield problem.propose(
            f"let `{here.of(pattern)}` live longer: declare it before the block",
            [here.insert(at, f"{indent}{here.of(let).strip()}\n"), here.remove(let)],
            0.6,
        )
    if block.parent is not None and block.parent.type in ("expression_statement", "block"):
        inner = here.slice(block.start_byte + 1, block.end_byte - 1)
        yield problem.propose(
            "let the values live longer: no inner block",
            Edit(here.path, block.start_byte, block.end_byte, inner.strip()),
            0.45,
        )
    yield from _use_inside(problem, here, block)
    yield from _declare_before(problem, here, names)


def _use_inside(problem: Problem, here: SourceText, block: Node) -> Iterator[Candidate]:
    """Move what uses the borrow later into the block where the value lives."""
    for span in problem.labelled(r"borrow later used here|later used"):
        statement = statement_of(problem.node_of(span))
        if statement is None or statement.start_byte < block.end_byte or span.path != here.path:
            continue
        start, end = here.line_start(statement.start_byte), here.line_end(statement.end_byte)
        text = here.slice(start, end)
        at = here.line_start(block.end_byte - 1)
        yield problem.propose(
            "use the borrow while the value lives",
            [Edit(here.path, start, end, ""), here.insert(at, f"    {text}")],
            0.5,
        )


def _declare_before(problem: Problem, here: SourceText, names: set[str]) -> Iterator[Candidate]:
    """Swap two declarations of one block: what is borrowed must be declared first."""
    lets = list(here.walk("let_declaration"))
    for let in lets:
        pattern = field(let, "pattern")
        if pattern is None or here.of(pattern).removeprefix("mut ") not in names:
            continue
        for other in lets:
            if (
                other.parent is not None
                and let.parent is not None
                and other.parent.id == let.parent.id
                and other.start_byte < let.start_byte
            ):
                yield _move(
                    problem,
                    here,
                    let,
                    other.start_byte,
                    f"declare `{here.of(pattern)}` first",
                    0.4,
                )


def clone_what_is_borrowed(problem: Problem) -> Iterator[Candidate]:
    """Own the value instead of pointing to one that ends."""
    node = problem.node
    here = problem.here
    if (
        node.type == "identifier"
        and node.parent is not None
        and node.parent.type == "reference_expression"
    ):
        yield problem.propose(
            f"clone `{problem.code}` instead of borrowing it",
            here.replace(node.parent, f"{problem.code}.clone()"),
            0.35,
        )
        yield problem.propose(
            f"give `{problem.code}` away instead of borrowing it",
            here.replace(node.parent, problem.code),
            0.3,
        )


def bind_temporary(problem: Problem) -> Iterator[Candidate]:
    """Give a temporary value a name, so that it lives to the end of the block."""
    here = problem.here
    statement = statement_of(problem.node)
    if statement is None:
        return
    name = _fresh(here, "value")
    at = here.line_start(statement.start_byte)
    indent = here.indent(statement.start_byte)
    yield problem.propose(
        f"give `{problem.code}` a name",
        [
            here.insert(at, f"{indent}let {name} = {problem.code};\n"),
            problem.edit(problem.span, name),
        ],
        0.6,
    )
    yield problem.propose(
        f"give `{problem.code}` a name",
        [
            here.insert(at, f"{indent}let mut {name} = {problem.code};\n"),
            problem.edit(problem.span, name),
        ],
        0.4,
    )


def return_owned(problem: Problem) -> Iterator[Candidate]:
    """Return the value itself and not a reference to something that ends with the function."""
    here = problem.here
    function = here.around(problem.span.byte_start, problem.span.byte_end, "function_item")
    declared = field(function, "return_type")
    if function is None or declared is None:
        return
    type_ = here.of(declared)
    owned = re.sub(r"&(?:'\w+ )?(?:mut )?", "", type_)
    owned = re.sub(r"\bstr\b", "String", owned)
    owned = re.sub(r"\[(\w+)\]", r"Vec<\1>", owned)
    if owned == type_:
        return
    code = problem.code
    to_type = here.replace(declared, owned)
    bare = re.sub(r"^&(?:mut )?", "", code)
    bare = re.sub(r"\.(?:as_str|as_ref|as_slice|trim)\(\)$", "", bare)
    bare = re.sub(r"\[\.\.\]$", "", bare)
    forms = {
        bare: 0.65,
        f"{code}.to_string()": 0.5,
        f"{code}.to_owned()": 0.5,
        f"{code}.clone()": 0.4,
    }
    for form, weight in forms.items():
        yield problem.propose(
            f"return `{owned}`, not a reference",
            [to_type, problem.edit(problem.span, form)],
            weight,
        )
    body = field(function, "body")
    if body is not None:
        edits = [to_type]
        for node in walk(body, "return_expression"):
            value = next(iter(node.named_children), None)
            if value is not None:
                edits.append(here.wrap(value, "", ".to_owned()"))
        yield problem.propose(f"return `{owned}`, not a reference", edits, 0.3)
    if code.startswith("&") or '"' in code:
        return
    static = re.sub(r"&(?:'\w+ )?", "&'static ", type_)
    yield problem.propose(f"return `{static}`", here.replace(declared, static), 0.2)


def end_borrow_in_block(problem: Problem) -> Iterator[Candidate]:
    """End a guard or borrow early by dropping it before the conflict."""
    conflict = statement_of(problem.node)
    if conflict is None:
        return
    here = problem.here
    for let in here.walk("let_declaration"):
        pattern = field(let, "pattern")
        if (
            pattern is not None
            and pattern.type == "identifier"
            and let.parent is not None
            and conflict.parent is not None
            and let.parent.id == conflict.parent.id
            and let.start_byte < conflict.start_byte
            and any(
                span.byte_start >= let.start_byte and span.byte_end <= let.end_byte
                for span in problem.spans()
                if span.path == here.path
            )
        ):
            name = here.of(pattern)
            indent = here.indent(conflict.start_byte)
            yield problem.propose(
                f"drop `{name}` first",
                here.insert(here.line_start(conflict.start_byte), f"{indent}drop({name});\n"),
                0.3,
            )


def use_cell_or_copy_in_loop(problem: Problem) -> Iterator[Candidate]:
    """Iterate over a copy where the loop changes what it walks through."""
    here = problem.here
    loop = here.around(problem.span.byte_start, problem.span.byte_end, "for_expression")
    value = field(loop, "value")
    if value is None:
        return
    text = here.of(value)
    bare = re.sub(r"^&(?:mut )?", "", text)
    bare = re.sub(r"\.iter(?:_mut)?\(\)$", "", bare)
    yield problem.propose(
        f"iterate over a copy of `{bare}`", here.replace(value, f"{bare}.clone()"), 0.4
    )
    yield problem.propose(
        f"iterate over a copy of `{bare}`", here.replace(value, f"{bare}.clone().iter()"), 0.3
    )
    yield problem.propose(
        f"iterate over the places of `{bare}`", here.replace(value, f"0..{bare}.len()"), 0.1
    )
