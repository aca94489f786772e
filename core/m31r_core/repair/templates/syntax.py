"""Errors of the parser and others that have no code or a code of the syntax."""

from __future__ import annotations

import re
from collections.abc import Iterator

from m31r_core.repair.candidates import Candidate
from m31r_core.repair.edits import Edit
from m31r_core.repair.problem import Problem
from m31r_core.repair.source import field, statement_of


def missing_token(problem: Problem) -> Iterator[Candidate]:
    """Insert or replace the token that the parser expected."""
    message = problem.error.message
    expected = re.match(r"expected (?:one of )?(.*?), found", message)
    tokens = re.findall(r"`([^`]+)`", expected[1]) if expected else []
    here = problem.here
    start, end = problem.span.byte_start, problem.span.byte_end
    before = start
    while before > 0 and here.text[before - 1 : before].isspace():
        before -= 1
    for i, token in enumerate(tokens[:8]):
        weight = 0.6 - 0.05 * i
        yield problem.propose(f"insert `{token}`", here.insert(before, token), weight)
        if before != start:
            yield problem.propose(
                f"insert `{token}`", here.insert(start, f"{token} "), weight - 0.1
            )
        if end > start:
            yield problem.propose(
                f"write `{token}` instead of `{problem.code}`",
                problem.edit(problem.span, token),
                weight - 0.1,
            )
    if re.search(r"parameter.*type|expected one of `:`", message):
        after = end
        for type_ in ("i32", "&str", "String", "f64", "bool"):
            yield problem.propose(
                f"give it the type `{type_}`", here.insert(before, f": {type_}"), 0.5
            )
            yield problem.propose(
                f"give it the type `{type_}`", here.insert(after, f": {type_}"), 0.4
            )


def close_delimiter(problem: Problem) -> Iterator[Candidate]:
    """Close what was left open, or drop what closes nothing."""
    if "delimiter" not in problem.error.message and "unterminated" not in problem.error.message:
        return
    here = problem.here
    code = problem.code
    pairs = {"(": ")", "[": "]", "{": "}"}
    for span in problem.spans():
        opened = problem.source(span.path).slice(span.byte_start, span.byte_end)
        closing = pairs.get(opened[:1])
        if closing:
            line = here.line_end(span.byte_start) - 1
            for at in (line, len(here.text)):
                text = closing if at == line else f"\n{closing}\n"
                yield problem.propose(f"close `{opened[:1]}`", here.insert(at, text), 0.5)
            if here.text[line - 1 : line] == b";":
                yield problem.propose(f"close `{opened[:1]}`", here.insert(line - 1, closing), 0.6)
        if opened[:1] in pairs.values():
            for right in pairs.values():
                yield problem.propose(f"close with `{right}`", problem.edit(span, right), 0.4)
            yield problem.propose(f"drop `{opened}`", problem.edit(span, ""), 0.4)
    for quote in ('"', "'", '"#', "*/", '"##'):
        line = here.line_end(problem.span.byte_start) - 1
        for at, weight in ((line, 0.4), (len(here.text), 0.2)):
            yield problem.propose(f"end with `{quote}`", here.insert(at, quote), weight)
        ending = re.search(rb"[)\]};,]+\s*$", here.text[here.line_start(line) : line])
        for back in range(1, len(ending[0]) + 1 if ending else 0):
            yield problem.propose(
                f"end with `{quote}`", here.insert(line - back, quote), 0.45 + 0.01 * back
            )
    if re.match(r"'.{2,}'?$", code):
        yield problem.propose(
            "write a string", problem.edit(problem.span, f'"{code.strip(chr(39))}"'), 0.5
        )


def put_at_top(problem: Problem) -> Iterator[Candidate]:
    """Move an inner attribute or doc comment to the top, or make it an outer one."""
    code = problem.code
    here = problem.here
    if code.startswith("#!"):
        yield problem.propose(
            "make it an outer attribute",
            problem.edit(problem.span, code.replace("#!", "#", 1)),
            0.6,
        )
        text = here.slice(problem.span.byte_start, problem.span.byte_end)
        yield problem.propose(
            "move it to the top of the file",
            [problem.edit(problem.span, ""), Edit(here.path, 0, 0, f"{text}\n")],
            0.4,
        )
    if code.startswith("//!"):
        yield problem.propose(
            "document what follows", problem.edit(problem.span, code.replace("//!", "///", 1)), 0.6
        )
    if code.startswith("///") or code.startswith("/**"):
        plain = "//" + code[3:] if code.startswith("///") else "/*" + code[3:]
        yield problem.propose("write a plain comment", problem.edit(problem.span, plain), 0.6)


def number_base(problem: Problem) -> Iterator[Candidate]:
    """Give a number digits."""
    code = problem.code
    if re.match(r"0[xbo]_*$", code):
        yield problem.propose("write a digit", problem.edit(problem.span, f"{code}0"), 0.5)
    if re.match(r"[\d.]+[eE][+-]?$", code):
        yield problem.propose("write an exponent", problem.edit(problem.span, f"{code}0"), 0.5)
    literal = re.fullmatch(r"(-?[\d_]+(?:\.\d+)?)(\w+)?", code)
    if literal:
        for suffix in ("i64", "u64", "i128"):
            yield problem.propose(
                f"make it an {suffix}", problem.edit(problem.span, f"{literal[1]}{suffix}"), 0.2
            )


def labels(problem: Problem) -> Iterator[Candidate]:
    """Break out of a loop that exists, and with a value only where it can have one."""
    here = problem.here
    node = here.around(
        problem.span.byte_start, problem.span.byte_end, "break_expression", "continue_expression"
    )
    loop = here.around(
        problem.span.byte_start,
        problem.span.byte_end,
        "loop_expression",
        "while_expression",
        "for_expression",
    )
    if node is not None:
        text = here.of(node)
        word = text.split()[0]
        yield problem.propose(f"write `{word}`", here.replace(node, word), 0.5)
        yield problem.propose(
            "return instead", here.replace(node, text.replace(word, "return", 1)), 0.45
        )
        label = re.search(r"'\w+", text)
        if label and loop is not None:
            yield problem.propose(
                f"label the loop `{label[0]}`", here.insert(loop.start_byte, f"{label[0]}: "), 0.6
            )
    name = re.search(r"'\w+", " ".join(problem.quoted))
    if name and loop is not None and node is None:
        yield problem.propose(
            f"label the loop `{name[0]}`", here.insert(loop.start_byte, f"{name[0]}: "), 0.5
        )
    if node is not None and loop is not None and loop.type != "loop_expression":
        condition = field(loop, "condition")
        if condition is not None:
            yield problem.propose(
                "make it a `loop`",
                Edit(here.path, loop.start_byte, condition.end_byte, "loop"),
                0.4,
            )


def make_async(problem: Problem) -> Iterator[Candidate]:
    """Await only in async code."""
    here = problem.here
    function = here.around(problem.span.byte_start, problem.span.byte_end, "function_item")
    if function is not None and "await" in problem.error.message:
        text = here.of(function)
        at = function.start_byte + text.index("fn ")
        yield problem.propose("make the function async", here.insert(at, "async "), 0.6)


def drop_line(problem: Problem) -> Iterator[Candidate]:
    """Leave out the line, or the unfinished part of it, that does not parse."""
    here = problem.here
    start, end = here.line_start(problem.span.byte_start), here.line_end(problem.span.byte_start)
    line = here.slice(start, end)
    yield problem.propose(f"leave out `{line.strip()}`", Edit(here.path, start, end, ""), 0.1)
    before = here.text.rfind(b";", start, problem.span.byte_start)
    if before >= 0:
        rest = here.slice(before + 1, end).strip()
        yield problem.propose(f"leave out `{rest}`", Edit(here.path, before + 1, end - 1, ""), 0.15)


def end_statement(problem: Problem) -> Iterator[Candidate]:
    """End the statement before with a semicolon."""
    statement = statement_of(problem.node)
    if statement is not None and not problem.here.of(statement).endswith((";", "}")):
        yield problem.propose(
            "end the statement", problem.here.insert(statement.end_byte, ";"), 0.4
        )
