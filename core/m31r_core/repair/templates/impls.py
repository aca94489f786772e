"""Impls that do not fit their trait, traits that do not fit an object or a foreign type."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from m31r_core.repair.candidates import Candidate
from m31r_core.repair.edits import Edit
from m31r_core.repair.names import find_definition
from m31r_core.repair.problem import Problem
from m31r_core.repair.source import SourceText, field, walk
from m31r_core.repair.values import plain_value


def match_trait_signature(problem: Problem) -> Iterator[Candidate]:
    """Write the signature that the trait declares, or have the trait declare ours."""
    here = problem.here
    function = here.around(
        problem.span.byte_start, problem.span.byte_end, "function_item", "function_signature_item"
    )
    impl = here.around(problem.span.byte_start, problem.span.byte_end, "impl_item")
    trait = field(impl, "trait")
    name = field(function, "name")
    if function is None or name is None or trait is None:
        return
    declared = _in_trait(problem, re.sub(r"<.*", "", here.of(trait)), here.of(name))
    body = field(function, "body")
    if declared is None or body is None:
        return
    source, node = declared
    signature = source.of(node).rstrip(";").rstrip()
    other_body = field(node, "body")
    if other_body is not None:
        signature = source.slice(node.start_byte, other_body.start_byte).rstrip()
    ours = _parameter_names(here, function)
    theirs = _parameter_names(source, node)
    fitted = signature
    for old, new in zip(theirs, ours, strict=False):
        if old != new and new != "self" and old != "self":
            fitted = re.sub(rf"\b{re.escape(old)}\s*:", f"{new}:", fitted, count=1)
    for form in dict.fromkeys((fitted, signature)):
        yield problem.propose(
            "take the trait's signature",
            Edit(here.path, function.start_byte, body.start_byte, f"{form} "),
            0.65,
        )
    own = here.slice(function.start_byte, body.start_byte).rstrip()
    ending = ";" if node.type == "function_signature_item" else ""
    end = node.end_byte if other_body is None else other_body.start_byte
    yield problem.propose(
        "change the trait's signature",
        Edit(source.path, node.start_byte, end, f"{own}{ending} "),
        0.4,
    )


def fit_reference(problem: Problem) -> Iterator[Candidate]:
    """Take a parameter by the kind of reference that the trait declares."""
    code = problem.code
    match = re.fullmatch(r"(&(?:'\w+ )?)?(mut )?(.+)", code, re.S)
    if match is None or len(code) > 200:
        return
    reference, rest = match[1] or "&", match[3]
    forms = [f"{reference}mut {rest}", f"{reference}{rest}", rest]
    for form in forms:
        if form != code:
            title = "mutable" if form.startswith(f"{reference}mut") else "shared"
            kind = "by value" if form == rest else f"by {title} reference"
            yield problem.propose(f"take it {kind}", problem.edit(problem.span, form), 0.8)


def _in_trait(problem: Problem, trait: str, name: str) -> tuple[SourceText, Node] | None:
    found = find_definition(problem, trait, "trait")
    if found is None:
        return None
    source, node = found
    for member in walk(node, "function_signature_item", "function_item"):
        if source.of(field(member, "name") or member) == name:
            return source, member
    return None


def _parameter_names(source: SourceText, function: Node) -> list[str]:
    parameters = field(function, "parameters")
    return [
        "self" if node.type == "self_parameter" else source.of(field(node, "pattern") or node)
        for node in (parameters.named_children if parameters is not None else [])
        if node.type in ("self_parameter", "parameter")
    ]


def move_out_of_trait_impl(problem: Problem) -> Iterator[Candidate]:
    """Put a member that the trait lacks into an impl of the type's own, or into the trait."""
    here = problem.here
    member = _member(problem)
    impl = here.around(problem.span.byte_start, problem.span.byte_end, "impl_item")
    trait, type_ = field(impl, "trait"), field(impl, "type")
    if member is None or impl is None or trait is None or type_ is None:
        return
    text = here.of(member)
    indent = here.indent(impl.start_byte)
    own = f"\n\n{indent}impl {here.of(type_)} {{\n{indent}    {text}\n{indent}}}"
    if member.type == "function_item":
        yield problem.propose(
            f"move it to an impl of `{here.of(type_)}`",
            [here.remove(member), here.insert(impl.end_byte, own)],
            0.5,
        )
    declared = find_definition(problem, here.of(trait), "trait")
    if declared is not None:
        source, node = declared
        body, inner = field(node, "body"), field(member, "body")
        if body is not None:
            declaration = text
            if inner is not None:
                declaration = here.slice(member.start_byte, inner.start_byte).rstrip() + ";"
            elif member.type in ("type_item", "associated_type", "const_item"):
                declaration = text.split("=")[0].rstrip().rstrip(";") + ";"
            at = source.line_start(body.end_byte - 1)
            if b"\n" not in source.text[body.start_byte : body.end_byte]:
                at = body.end_byte - 1
            yield problem.propose(
                f"declare it in `{here.of(trait)}`",
                source.insert(at, f"    {declaration}\n"),
                0.45,
            )


def _member(problem: Problem) -> Node | None:
    return problem.here.around(
        problem.span.byte_start,
        problem.span.byte_end,
        "function_item",
        "type_item",
        "const_item",
        "associated_type",
    )


def add_members(problem: Problem) -> Iterator[Candidate]:
    """Implement the members that an impl lacks, as the trait declares them."""
    here = problem.here
    impl = here.around(problem.span.byte_start, problem.span.byte_end, "impl_item")
    trait, body = field(impl, "trait"), field(impl, "body")
    if impl is None or trait is None:
        return
    found = find_definition(problem, here.of(trait), "trait")
    if found is None:
        return
    source, node = found
    stubs: list[str] = []
    for member in walk(node, "function_signature_item", "associated_type", "const_item"):
        name = source.of(field(member, "name") or member)
        if name not in problem.quoted:
            continue
        text = source.of(member).rstrip(";")
        if member.type == "associated_type":
            stubs.append(f"type {name} = ();")
        elif member.type == "const_item":
            value = plain_value(source.of(field(member, "type") or member)) or "Default::default()"
            stubs.append(f"{text} = {value};")
        else:
            returned = field(member, "return_type")
            result = "" if returned is None else plain_value(source.of(returned)) or "todo!()"
            stubs.append(f"{text} {{ {result} }}" if result else f"{text} {{}}")
    if not stubs:
        return
    indent = here.indent(impl.start_byte)
    lines = "".join(f"\n{indent}    {stub}" for stub in stubs)
    if body is not None:
        edit = here.insert(
            body.start_byte + 1, lines if body.named_child_count else f"{lines}\n{indent}"
        )
    else:
        edit = here.insert(impl.end_byte, f" {{{lines}\n{indent}}}")
    yield problem.invent("implement what is missing", edit, 0.5)


def wrap_foreign(problem: Problem) -> Iterator[Candidate]:
    """Wrap a type of another crate in one of ours, so that a trait may be implemented for it."""
    here = problem.here
    impl = here.around(problem.span.byte_start, problem.span.byte_end, "impl_item")
    type_ = field(impl, "type")
    if impl is None or type_ is None:
        return
    indent = here.indent(impl.start_byte)
    yield problem.propose(
        "implement it for a type of ours",
        [
            here.insert(impl.start_byte, f"struct Wrapper({here.of(type_)});\n\n{indent}"),
            here.replace(type_, "Wrapper"),
        ],
        0.5,
    )
    trait = field(impl, "trait")
    body = field(impl, "body")
    if trait is None and body is not None:
        signatures = [
            here.slice(f.start_byte, (field(f, "body") or f).start_byte)
            .strip()
            .removeprefix("pub ")
            for f in walk(body, "function_item")
        ]
        declared = " ".join(f"{signature};" for signature in signatures)
        plain = here.of(body).replace("pub fn", "fn")
        yield problem.propose(
            "implement a trait of ours",
            [
                here.insert(impl.start_byte, f"trait Extension {{ {declared} }}\n\n{indent}"),
                here.insert(type_.start_byte, "Extension for "),
                here.replace(body, plain),
            ],
            0.45,
        )


def make_object_safe(problem: Problem) -> Iterator[Candidate]:
    """Use generics for `dyn`, or keep the method in question from objects."""
    for span in problem.spans():
        source = problem.source(span.path)
        node = source.node(span.byte_start, span.byte_end)
        dyn = source.around(node.start_byte, node.end_byte, "dynamic_type") or next(
            iter(walk(node, "dynamic_type")), None
        )
        if dyn is not None:
            text = source.of(dyn)
            yield problem.propose(
                "take any type that has the trait",
                source.replace(dyn, text.replace("dyn ", "impl ", 1)),
                0.55,
            )
        method = source.around(
            span.byte_start, span.byte_end, "function_signature_item", "function_item"
        )
        if method is not None and "Self: Sized" not in source.of(method):
            returned = field(method, "return_type") or field(method, "parameters")
            if (
                returned is not None
                and source.around(method.start_byte, method.end_byte, "trait_item") is not None
            ):
                yield problem.propose(
                    "keep the method from trait objects",
                    source.insert(returned.end_byte, " where Self: Sized"),
                    0.5,
                )
        trait = source.around(span.byte_start, span.byte_end, "trait_item")
        bounds = field(trait, "bounds")
        if bounds is not None and "Sized" in source.of(bounds):
            yield problem.propose("do not require Sized", source.replace(bounds, ""), 0.5)


def qualify_associated(problem: Problem) -> Iterator[Candidate]:
    """Say whose associated item is meant: `Self::Item`, `<T as Trait>::Item`."""
    code = problem.code
    last = code.split("::")[-1]
    traits = [q for q in problem.quoted if q[:1].isupper()]
    for note in (*problem.error.notes,):
        traits += re.findall(r"`(\w+)`", note.message)
    head = code.split("::")[0]
    for source in problem.sources():
        for impl in source.walk("impl_item"):
            trait, type_ = field(impl, "trait"), field(impl, "type")
            if trait is not None and type_ is not None and last in source.of(impl):
                form = f"<{source.of(type_)} as {source.of(trait)}>::{last}"
                yield problem.propose(f"write `{form}`", problem.edit(problem.span, form), 0.45)
    for trait_name in dict.fromkeys(traits):
        form = f"<{head} as {trait_name}>::{last}"
        yield problem.propose(f"write `{form}`", problem.edit(problem.span, form), 0.4)
    if "::" not in code:
        yield problem.propose(
            f"write `Self::{code}`", problem.edit(problem.span, f"Self::{code}"), 0.5
        )


def bind_associated_type(problem: Problem) -> Iterator[Candidate]:
    """Say what the associated types of a trait object are."""
    for name in problem.quoted[:1]:
        code = problem.code
        owner = code.removeprefix("dyn ").strip()
        bare = owner.split("<")[0]
        for type_ in ("i32", "()"):
            text = f"{bare}<{name} = {type_}>"
            yield problem.propose(
                f"say what `{name}` is",
                problem.edit(problem.span, code.replace(owner, text, 1)),
                0.5,
            )
