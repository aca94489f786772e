"""Patterns that do not fit what they match."""

from __future__ import annotations

import re
from collections.abc import Iterator

from m31r_core.repair.candidates import Candidate
from m31r_core.repair.edits import Edit
from m31r_core.repair.names import find_definition
from m31r_core.repair.problem import Problem
from m31r_core.repair.source import field, walk


def add_arms(problem: Problem) -> Iterator[Candidate]:
    """Add the missing arms, with what another arm does where there is one."""
    here = problem.here
    node = here.around(problem.span.byte_start, problem.span.byte_end, "match_expression")
    body = field(node, "body")
    if node is None or body is None:
        return
    arms = [child for child in body.named_children if child.type == "match_arm"]
    patterns = [p for p in problem.quoted if p not in ("_",)] or ["_"]
    here_as = (
        re.match(r"(?:\w+::)*(?=[A-Z])", here.of(field(arms[0], "pattern") or arms[0]))
        if arms
        else None
    )
    if here_as:
        # rustc names the path of the definition, the other arms the one that holds here.
        patterns = [re.sub(r"\b(?:\w+::)+(?=[A-Z]\w*\b(?!::))", here_as[0], p) for p in patterns]
    indent = here.indent(node.start_byte) + "    "
    if arms:
        indent = here.indent(arms[0].start_byte)
    bodies = [(value, 0.3) for arm in arms[-2:] if (value := here.of(field(arm, "value") or arm))]
    if arms and all("{}" in here.of(arm) or "print" in here.of(arm) for arm in arms):
        bodies.insert(0, ("{}", 0.7))
    bodies += [("{}", 0.35), ("todo!()", 0.2)]
    last = arms[-1].end_byte if arms else body.start_byte + 1
    comma = "" if not arms or here.of(arms[-1]).rstrip().endswith((",", "}")) else ","
    for pattern in (" | ".join(patterns), "_"):
        for value, weight in dict.fromkeys(bodies):
            yield problem.propose(
                f"add an arm: `{pattern} => {' '.join(value.split())}`",
                here.insert(last, f"{comma}\n{indent}{pattern} => {value.rstrip(',')},"),
                weight if pattern != "_" else weight - 0.1,
            )
    if not arms:
        yield problem.propose(
            "add an arm for the rest",
            here.replace(body, f"{{\n{indent}_ => {{}}\n{indent[:-4]}}}"),
            0.4,
        )


def refutable(problem: Problem) -> Iterator[Candidate]:
    """Handle what a pattern of a `let` does not match."""
    here = problem.here
    let = here.around(problem.span.byte_start, problem.span.byte_end, "let_declaration")
    pattern, value = field(let, "pattern"), field(let, "value")
    if let is not None and pattern is not None and value is not None:
        text = here.of(let).rstrip(";")
        for otherwise, weight in (
            ("return", 0.6),
            ("return Default::default()", 0.3),
            ("panic!()", 0.2),
        ):
            yield problem.propose(
                f"leave with `{otherwise}` where the pattern does not match",
                here.replace(let, f"{text} else {{ {otherwise} }};"),
                weight,
            )
        end = let.parent.end_byte - 1 if let.parent is not None else let.end_byte
        rest = here.slice(let.end_byte, end)
        yield problem.propose(
            "go on only where the pattern matches",
            Edit(here.path, let.start_byte, end, f"if {text} {{{rest}}}\n"),
            0.45,
        )
    loop = here.around(problem.span.byte_start, problem.span.byte_end, "for_expression")
    loop_pattern, loop_value = field(loop, "pattern"), field(loop, "value")
    if loop is not None and loop_pattern is not None and loop_value is not None:
        text = here.of(loop_pattern)
        if match := re.fullmatch(r"(?:Some|Ok)\((\w+)\)", text):
            yield problem.propose(
                "walk over the values that are there",
                [
                    here.replace(loop_pattern, match[1]),
                    here.wrap(loop_value, "", ".into_iter().flatten()"),
                ],
                0.6,
            )


def pattern_arity(problem: Problem) -> Iterator[Candidate]:
    """Give a pattern as many parts as what it matches has."""
    here = problem.here
    node = here.around(
        problem.span.byte_start,
        problem.span.byte_end,
        "tuple_struct_pattern",
        "tuple_pattern",
        "slice_pattern",
        "struct_pattern",
    )
    if node is None:
        return
    text = here.of(node)
    opening = {"tuple_struct_pattern": "(", "tuple_pattern": "(", "slice_pattern": "["}.get(
        node.type, "{"
    )
    head = text.partition(opening)[0]
    closing = {"(": ")", "[": "]", "{": "}"}[opening]
    parts = [
        here.of(child)
        for child in node.named_children
        if child.id != (field(node, "type") or node).id
    ]
    numbers = [
        int(n)
        for n in re.findall(
            r"(\d+) (?:field|element|tuple)",
            " ".join([problem.error.message, *[s.label or "" for s in problem.error.spans]]),
        )
    ]
    for wanted in dict.fromkeys(numbers):
        if wanted > len(parts):
            fitted = [*parts, *["_"] * (wanted - len(parts))]
        else:
            fitted = parts[:wanted]
        yield problem.propose(
            "match as many parts as there are",
            here.replace(node, f"{head}{opening}{', '.join(fitted)}{closing}"),
            0.6,
        )
    ellipsis = f"{', '.join([*parts, '..'])}"
    spaces = " " if opening == "{" else ""
    yield problem.propose(
        "leave the other parts out with `..`",
        here.replace(node, f"{head}{opening}{spaces}{ellipsis}{spaces}{closing}"),
        0.6,
    )
    if opening == "{" and problem.error.code in ("E0026", "E0769", "E0027"):
        kept = [p for p in parts if problem.code not in p]
        yield problem.propose(
            f"leave `{problem.code}` out",
            here.replace(node, f"{head}{{ {', '.join([*kept, '..'])} }}"),
            0.5,
        )
    if "tuple variant" in problem.error.message or problem.error.code == "E0769":
        yield problem.propose(
            "write the variant's parts in parentheses",
            here.replace(node, f"{head.strip()}({', '.join('_' for _ in parts)})"),
            0.4,
        )


def unbind(problem: Problem) -> Iterator[Candidate]:
    """Rename or leave out a binding that a pattern or list has twice or lacks in one branch."""
    node = problem.node
    if node.type in ("identifier", "shorthand_field_identifier"):
        name = problem.code
        for new, weight in ((f"{name}2", 0.4), (f"_{name}", 0.45), ("_", 0.5)):
            yield problem.propose(f"call it `{new}`", problem.edit(problem.span, new), weight)
    branch = problem.here.around(
        problem.span.byte_start, problem.span.byte_end, "or_pattern", "match_pattern"
    )
    if branch is not None:
        text = problem.here.of(branch)
        for name in problem.quoted[:1]:
            if re.search(rf"\b{re.escape(name)}\b", text):
                parts = text.split("|")
                for part in parts:
                    if re.search(rf"\b{re.escape(name)}\b", part):
                        others = [re.sub(rf"\b{re.escape(name)}\b", "_", part) for part in parts]
                        yield problem.propose(
                            f"bind no `{name}`",
                            problem.here.replace(branch, "|".join(others)),
                            0.3,
                        )
                        yield problem.propose(
                            f"match only where there is a `{name}`",
                            problem.here.replace(branch, part.strip()),
                            0.3,
                        )
                        arm = branch.parent
                        value = field(arm, "value")
                        if arm is not None and value is not None and arm.type == "match_arm":
                            missing = [
                                p for p in parts if not re.search(rf"\b{re.escape(name)}\b", p)
                            ]
                            body = re.sub(rf"\b{re.escape(name)}\b", "0", problem.here.of(value))
                            lines = [f"{part.strip()} => {problem.here.of(value)},"]
                            lines += [f"{p.strip()} => {body}," for p in missing]
                            indent = problem.here.indent(arm.start_byte)
                            yield problem.propose(
                                "write two arms",
                                problem.here.replace(arm, f"\n{indent}".join(lines)),
                                0.2,
                            )
                        break


def comparable_pattern(problem: Problem) -> Iterator[Candidate]:
    """Match a reference by what it points to, or write the pattern as a reference."""
    code = problem.code
    node = problem.node
    yield problem.propose("match a reference", problem.edit(problem.span, f"&{code}"), 0.5)
    if code.startswith("&"):
        yield problem.propose("match the value", problem.edit(problem.span, code[1:]), 0.55)
    expected, _ = problem.expected_found
    for outer, form in (("Option<", "Some({})"), ("Result<", "Ok({})")):
        if expected.startswith(outer):
            yield problem.propose(
                f"match `{form.format(code)}`", problem.edit(problem.span, form.format(code)), 0.6
            )
            if code == "_":
                continue
    if match := re.fullmatch(r"(?:Some|Ok|Err)\((.*)\)", code):
        yield problem.propose(f"match `{match[1]}`", problem.edit(problem.span, match[1]), 0.5)
    matched = problem.here.around(
        node.start_byte, node.end_byte, "match_expression", "let_condition", "let_declaration"
    )
    value = field(matched, "value")
    if value is not None:
        text = problem.here.of(value)
        for form in (
            f"*{text}",
            f"{text}.as_str()",
            f"&{text}",
            f"{text}.as_slice()",
            f"&{text}[..]",
            f"{text}.as_ref()",
        ):
            yield problem.propose(f"match on `{form}`", problem.here.replace(value, form), 0.4)


def bind_whole(problem: Problem) -> Iterator[Candidate]:
    """Compare with a guard what no pattern can be."""
    arm = problem.here.around(problem.span.byte_start, problem.span.byte_end, "match_arm")
    pattern = field(arm, "pattern")
    if arm is None or pattern is None:
        return
    code = problem.code
    yield problem.propose(
        f"compare with `{code}` in a guard",
        problem.edit(problem.span, f"value if value == {code}"),
        0.5,
    )
    if "non-empty" in problem.error.message or ".." in code:
        match = re.fullmatch(r"(.+?)(\.\.=?|\.\.\.)(.+)", code)
        if match:
            yield problem.propose(
                "turn the range round",
                problem.edit(problem.span, f"{match[3]}{match[2]}{match[1]}"),
                0.6,
            )
            yield problem.propose(
                "include the end", problem.edit(problem.span, f"{match[1]}..={match[3]}"), 0.55
            )


def unwrap_test(problem: Problem) -> Iterator[Candidate]:
    """Write `matches!` or a comparison where a pattern stands in an expression."""
    struct = find_definition(problem, problem.code.split("::")[0], "type")
    if struct is None:
        return
    source, node = struct
    for variant in walk(node, "enum_variant"):
        name = source.of(field(variant, "name") or variant)
        owner = source.of(field(node, "name") or node)
        body = field(variant, "body")
        form = f"{owner}::{name}"
        if body is not None:
            form += "(..)" if body.type == "ordered_field_declaration_list" else " { .. }"
        yield problem.propose(f"match `{form}`", problem.edit(problem.span, form), 0.35)
