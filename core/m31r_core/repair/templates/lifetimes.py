"""Lifetimes that are missing, undeclared or too short."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from m31r_core.repair.candidates import Candidate
from m31r_core.repair.edits import Edit
from m31r_core.repair.problem import Problem
from m31r_core.repair.source import SourceText, field, walk

_GENERIC = (
    "function_item",
    "function_signature_item",
    "struct_item",
    "enum_item",
    "union_item",
    "impl_item",
    "trait_item",
    "type_item",
)


def declare_lifetime(problem: Problem) -> Iterator[Candidate]:
    """Declare a lifetime on each item around its use, the innermost first."""
    for name in re.findall(r"'\w+", problem.code + " " + " ".join(problem.quoted))[:1]:
        node: Node | None = problem.node
        weight = 0.7
        while node is not None:
            if node.type in _GENERIC:
                edit = _declare(problem.here, node, name)
                if edit is not None:
                    yield problem.propose(f"declare `{name}`", edit, weight)
                    weight -= 0.1
            node = node.parent


def _declare(source: SourceText, node: Node, name: str) -> Edit | None:
    generics = field(node, "type_parameters")
    if generics is not None:
        first = "" if generics.named_child_count == 0 else ", "
        return source.insert(generics.start_byte + 1, f"{name}{first}")
    if node.type == "impl_item":
        return source.insert(node.start_byte + len("impl"), f"<{name}>")
    owner = field(node, "name")
    return None if owner is None else source.insert(owner.end_byte, f"<{name}>")


def add_lifetimes(problem: Problem) -> Iterator[Candidate]:
    """Give all references of a function one lifetime, or the elided ones of a type `'a`."""
    here = problem.here
    function = here.around(
        problem.span.byte_start, problem.span.byte_end, "function_item", "function_signature_item"
    )
    if function is not None:
        yield from _one_lifetime(problem, here, function)
    item = here.around(
        problem.span.byte_start, problem.span.byte_end, "struct_item", "enum_item", "type_item"
    )
    if item is not None:
        edits: list[Edit] = []
        for reference in walk(item, "reference_type"):
            if "'" not in here.of(reference).split(" ")[0]:
                edits.append(here.insert(reference.start_byte + 1, "'a "))
        declared = _declare(here, item, "'a") if "'a" not in here.of(item).split("{")[0] else None
        if edits:
            yield problem.propose(
                "give the references a lifetime",
                [*edits, *([declared] if declared else [])],
                0.6,
            )
        yield from _static(problem, here, item)
    if function is None:
        return
    declared_type = field(function, "return_type")
    if declared_type is not None:
        yield from _static(problem, here, declared_type)


def _static(problem: Problem, source: SourceText, node: Node) -> Iterator[Candidate]:
    edits = [
        source.insert(reference.start_byte + 1, "'static ")
        for reference in walk(node, "reference_type")
        if "'" not in source.of(reference)[:3]
    ]
    if edits:
        yield problem.propose("point to what lives for ever: `'static`", edits, 0.3)


def _one_lifetime(problem: Problem, source: SourceText, function: Node) -> Iterator[Candidate]:
    parameters, returned = field(function, "parameters"), field(function, "return_type")
    generics = field(function, "type_parameters")
    name = "'a"
    edits: list[Edit] = []
    for part in (parameters, returned):
        for node in walk(part, "reference_type", "self_parameter") if part is not None else ():
            text = source.of(node)
            old = re.match(r"&\s*('\w+)?\s?", text)
            if old is None:
                continue
            edits.append(
                Edit(
                    source.path,
                    node.start_byte,
                    node.start_byte + len(old[0].encode()),
                    f"&{name} ",
                )
            )
    if not edits:
        return
    if generics is None:
        owner = field(function, "name")
        if owner is not None:
            edits.append(source.insert(owner.end_byte, f"<{name}>"))
    elif name not in source.of(generics):
        edits.append(source.insert(generics.start_byte + 1, f"{name}, "))
    yield problem.propose(f"let all references live for `{name}`", edits, 0.55)
    only = [
        edit
        for edit in edits
        if returned is None
        or edit.start >= returned.start_byte
        or edit.text.startswith("<")
        or edit.start == (generics.start_byte + 1 if generics is not None else -1)
        or (parameters is not None and edit.start >= parameters.start_byte and edit == edits[0])
    ]
    if len(only) < len(edits):
        yield problem.propose(
            f"let the first parameter and the result live for `{name}`", only, 0.5
        )


def outlives(problem: Problem) -> Iterator[Candidate]:
    """Add the bound that rustc names: one lifetime, or a type, outlives another."""
    texts = [problem.error.message, *(note.message for note in problem.error.notes)]
    texts += [span.label or "" for span in problem.error.spans]
    pairs: list[tuple[str, str]] = []
    for text in texts:
        pairs += re.findall(r"`('\w+|\w+): ('\w+)`", text)
        pairs += [
            (a, b) for a, b in re.findall(r"lifetime `('\w+)`.*must outlive .*?`('\w+)`", text)
        ]
        pairs += [
            (a, b)
            for b, a in re.findall(
                r"returning this value requires that `('\w+)` must outlive `('\w+)`", text
            )
        ]
        pairs += [
            (a, b) for a, b in re.findall(r"requires that `('\w+)` must outlive `('\w+)`", text)
        ]
        pairs += [
            (name, "'static")
            for name in re.findall(
                r"parameter type `(\w+)` (?:must be valid for the static|may not live long enough)",
                text,
            )
        ]
        pairs += [
            (name, "'a")
            for name in re.findall(r"parameter type `(\w+)` may not live long enough", text)
        ]
    for longer, shorter in dict.fromkeys(pairs):
        node: Node | None = problem.node
        while node is not None:
            generics = field(node, "type_parameters")
            for parameter in generics.named_children if generics is not None else ():
                text = problem.here.of(parameter)
                if re.match(rf"{re.escape(longer)}\b", text):
                    joined = f"{text} + {shorter}" if ":" in text else f"{text}: {shorter}"
                    yield problem.propose(
                        f"require that `{longer}` outlives `{shorter}`",
                        problem.here.replace(parameter, joined),
                        0.6,
                    )
            node = node.parent
        if longer.startswith("'") and shorter != "'static":
            yield from _merge(problem, longer, shorter)


def _merge(problem: Problem, old: str, new: str) -> Iterator[Candidate]:
    """Use one lifetime for two."""
    function = problem.here.around(
        problem.span.byte_start, problem.span.byte_end, "function_item", "impl_item"
    )
    if function is None:
        return
    text = problem.here.of(function)
    changed = re.sub(rf"{re.escape(old)}\b", new, text)
    changed = re.sub(rf"<{new}, {new}>", f"<{new}>", changed)
    if changed != text:
        yield problem.propose(
            f"use `{new}` for `{old}`", problem.here.replace(function, changed), 0.4
        )


def name_anonymous(problem: Problem) -> Iterator[Candidate]:
    """Spell the lifetime of the type that is returned: the one of what it comes from."""
    for span in problem.spans():
        source = problem.source(span.path)
        function = source.around(span.byte_start, span.byte_end, "function_item")
        if function is None:
            continue
        impl = source.around(function.start_byte, function.end_byte, "impl_item")
        lifetimes = (
            re.findall(r"'\w+", source.of(field(impl, "type_parameters") or function))
            if impl
            else []
        )
        for lifetime in dict.fromkeys(lifetimes):
            returned, parameters = field(function, "return_type"), field(function, "parameters")
            for part, title in (
                (returned, "return what lives for"),
                (parameters, "take what lives for"),
            ):
                edits = [
                    source.insert(node.start_byte + 1, f"{lifetime} ")
                    for node in (walk(part, "reference_type") if part is not None else ())
                    if "'" not in source.of(node)[:3]
                ]
                if edits:
                    yield problem.propose(f"{title} `{lifetime}`", edits, 0.4)
        break
