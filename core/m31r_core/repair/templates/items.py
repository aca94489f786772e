"""Items: names given twice, generic parameters, visibility, unsafety, constants."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from m31r_core.repair.candidates import Candidate
from m31r_core.repair.edits import Edit
from m31r_core.repair.names import find_definition
from m31r_core.repair.problem import Problem
from m31r_core.repair.source import ITEMS, SourceText, field, walk


def rename_second(problem: Problem) -> Iterator[Candidate]:
    """Give the second of two items of one name another name."""
    here = problem.here
    name = problem.quoted[0].split("::")[-1] if problem.quoted else problem.code
    use = here.around(
        problem.span.byte_start,
        problem.span.byte_end,
        "use_declaration",
        "extern_crate_declaration",
    )
    if use is not None:
        text = here.of(use)
        if " as " not in problem.code:
            yield problem.propose(
                f"import it as `{name}2`", here.insert(problem.span.byte_end, f" as {name}2"), 0.5
            )
            renamed = re.sub(r";$", f" as {name}2;", text)
            yield problem.propose(f"import it as `{name}2`", here.replace(use, renamed), 0.5)
    for pattern in (rf"\b{re.escape(name)}\b",):
        match = re.search(pattern, problem.code)
        if match:
            start = problem.span.byte_start + len(problem.code[: match.start()].encode())
            for new in (f"{name}2", f"Other{name}" if name[:1].isupper() else f"other_{name}"):
                yield problem.propose(
                    f"call the second one `{new}`",
                    Edit(here.path, start, start + len(name.encode()), new),
                    0.4,
                )


def generic_parameter_use(problem: Problem) -> Iterator[Candidate]:
    """Use or drop a generic parameter that nothing uses."""
    here = problem.here
    item = here.around(
        problem.span.byte_start,
        problem.span.byte_end,
        "struct_item",
        "enum_item",
        "impl_item",
        "function_item",
        "type_item",
        "union_item",
        "trait_item",
    )
    generics = field(item, "type_parameters")
    name = problem.code.split(":")[0].strip()
    if item is None:
        return
    if item.type in ("struct_item", "union_item") and problem.error.code == "E0392":
        body = field(item, "body")
        phantom = f"std::marker::PhantomData<{f'&{name} ()' if name.startswith(chr(39)) else name}>"
        if body is not None and body.type == "field_declaration_list":
            at = body.end_byte - 1
            last = body.named_children[-1] if body.named_child_count else None
            comma = (
                "" if last is None or here.slice(last.end_byte, at).strip().startswith(",") else ","
            )
            place = last.end_byte if last is not None and comma else at
            yield problem.propose(
                "mark the parameter as used: PhantomData",
                here.insert(place, f"{comma} marker: {phantom} "),
                0.55,
            )
        elif body is not None:
            first = ", " if body.named_child_count else ""
            yield problem.propose(
                "mark the parameter as used: PhantomData",
                here.insert(body.end_byte - 1, f"{first}{phantom}"),
                0.55,
            )
        else:
            yield problem.propose(
                "mark the parameter as used: PhantomData",
                here.insert(item.end_byte - 1, f"({phantom})"),
                0.5,
            )
    if item.type == "enum_item" and problem.error.code == "E0392":
        body = field(item, "body")
        variants = list(walk(item, "enum_variant"))
        if body is not None and variants:
            yield problem.propose(
                "give a variant a value of the parameter's type",
                here.insert(
                    variants[0].end_byte,
                    f"({name})" if not name.startswith("'") else f"(&{name} ())",
                ),
                0.4,
            )
    if generics is not None and generics.start_byte <= problem.span.byte_start <= generics.end_byte:
        kept = [
            here.of(g)
            for g in generics.named_children
            if not re.match(rf"(?:const )?{re.escape(name)}\b", here.of(g))
        ]
        yield problem.propose(
            f"drop the parameter `{name}`",
            here.replace(generics, f"<{', '.join(kept)}>" if kept else ""),
            0.5,
        )
    if item.type == "impl_item" and problem.error.code == "E0207":
        yield from _use_in_impl(problem, here, item, name)


def _use_in_impl(problem: Problem, here: SourceText, impl: Node, name: str) -> Iterator[Candidate]:
    type_, trait = field(impl, "type"), field(impl, "trait")
    generics = field(impl, "type_parameters")
    if type_ is not None:
        owner = find_definition(problem, here.of(type_), "type")
        if owner is not None and field(owner[1], "type_parameters") is None:
            source, node = owner
            name_node, body = field(node, "name"), field(node, "body")
            edits = [here.wrap(type_, "", f"<{name}>")]
            if name_node is not None:
                edits.append(source.insert(name_node.end_byte, f"<{name}>"))
                marker = f"std::marker::PhantomData<{name}>"
                if body is None:
                    edits.append(source.insert(node.end_byte - 1, f"({marker})"))
                elif body.type == "field_declaration_list":
                    edits.append(source.insert(body.start_byte + 1, f" marker: {marker}, "))
                yield problem.propose(f"make `{here.of(type_)}` generic over `{name}`", edits, 0.4)
    functions = [f for f in walk(impl, "function_item") if name in here.of(f)]
    if generics is not None and functions and trait is None:
        bound = next(
            (here.of(g) for g in generics.named_children if here.of(g).startswith(name)), name
        )
        edits = []
        kept = [here.of(g) for g in generics.named_children if not here.of(g).startswith(name)]
        edits.append(here.replace(generics, f"<{', '.join(kept)}>" if kept else ""))
        for function in functions:
            own, owner_name = field(function, "type_parameters"), field(function, "name")
            if own is None and owner_name is not None:
                edits.append(here.insert(owner_name.end_byte, f"<{bound}>"))
        yield problem.propose(f"let the function take `{name}`", edits, 0.5)
    if trait is not None:
        declared = find_definition(problem, here.of(trait), "trait")
        if declared is not None and field(declared[1], "type_parameters") is None:
            source, node = declared
            owner_name = field(node, "name")
            if owner_name is not None:
                yield problem.propose(
                    f"make `{here.of(trait)}` generic over `{name}`",
                    [
                        here.wrap(trait, "", f"<{name}>"),
                        source.insert(owner_name.end_byte, f"<{name}>"),
                    ],
                    0.4,
                )


def make_public(problem: Problem) -> Iterator[Candidate]:
    """Make public what is used from outside its module."""
    for span in problem.spans():
        source = problem.source(span.path)
        node: Node | None = source.node(span.byte_start, span.byte_end)
        while node is not None:
            if node.type in ITEMS or node.type in ("field_declaration", "enum_variant"):
                text = source.of(node)
                if not text.startswith("pub") and node.type not in ("impl_item", "enum_variant"):
                    yield problem.propose(
                        "make it public", source.insert(node.start_byte, "pub "), 0.7
                    )
                    yield problem.propose(
                        "make it public in the crate",
                        source.insert(node.start_byte, "pub(crate) "),
                        0.65,
                    )
                elif re.match(r"pub\s*\([^)]*\)", text):
                    old = re.match(r"pub\s*\([^)]*\)", text)
                    if old is not None:
                        yield problem.propose(
                            "make it public",
                            Edit(
                                source.path,
                                node.start_byte,
                                node.start_byte + len(old[0].encode()),
                                "pub",
                            ),
                            0.5,
                        )
                break
            node = node.parent
    for name in problem.quoted[:2]:
        for kinds in ("function", "type", "field", "value", "module"):
            found = find_definition(problem, name, kinds)
            if found is None:
                continue
            source, node = found
            if node.type in (
                "let_declaration",
                "parameter",
                "closure_parameters",
                "type_parameter",
            ):
                continue
            if not source.of(node).startswith("pub"):
                yield problem.propose(
                    f"make `{name}` public", source.insert(node.start_byte, "pub "), 0.65
                )


def positional_field_public(problem: Problem) -> Iterator[Candidate]:
    """Make the fields of a tuple struct public."""
    for source in problem.sources():
        for struct in source.walk("struct_item"):
            body = field(struct, "body")
            name = field(struct, "name")
            if body is None or name is None or body.type != "ordered_field_declaration_list":
                continue
            if source.of(name) in " ".join([problem.error.message, problem.code]):
                edits = [
                    source.insert(child.start_byte, "pub ")
                    for child in body.named_children
                    if child.type not in ("visibility_modifier",)
                    and not source.slice(max(0, child.start_byte - 4), child.start_byte).startswith(
                        "pub"
                    )
                ]
                yield problem.propose("make the fields public", edits, 0.6)

    for quoted in problem.quoted:
        found = find_definition(problem, quoted, "type")
        if found is not None and found[1].type == "struct_item":
            source, node = found
            edits = [
                source.insert(child.start_byte, "pub ")
                for child in walk(node, "field_declaration")
                if not source.of(child).startswith("pub")
            ]
            if edits:
                yield problem.propose("make the fields public", edits, 0.55)


def use_unsafe(problem: Problem) -> Iterator[Candidate]:
    """Put what is unsafe in an unsafe block, or match the trait's or impl's unsafety."""
    here = problem.here
    statement = here.around(
        problem.span.byte_start, problem.span.byte_end, "expression_statement", "let_declaration"
    )
    yield problem.propose(
        "call it in an unsafe block",
        problem.edit(problem.span, f"unsafe {{ {problem.code} }}"),
        0.65,
    )
    if statement is not None and statement.type == "expression_statement":
        yield problem.propose(
            "call it in an unsafe block",
            here.wrap(statement, "unsafe { ", " }"),
            0.6,
        )
    impl = here.around(problem.span.byte_start, problem.span.byte_end, "impl_item", "function_item")
    if impl is not None:
        if here.of(impl).startswith("unsafe "):
            yield problem.propose(
                "leave `unsafe` out",
                Edit(here.path, impl.start_byte, impl.start_byte + len("unsafe "), ""),
                0.5,
            )
        elif "trait" in problem.error.message or problem.error.code in ("E0200",):
            yield problem.propose(
                "say that the impl is unsafe",
                here.insert(impl.start_byte, "unsafe "),
                0.6,
            )


def constant_to_let(problem: Problem) -> Iterator[Candidate]:
    """Exchange const, static and let where the other is what is meant."""
    here = problem.here
    item = here.around(problem.span.byte_start, problem.span.byte_end, "const_item", "static_item")
    if item is not None:
        text = here.of(item)
        inside = here.around(item.start_byte, item.end_byte, "block") is not None
        if inside:
            changed = re.sub(r"^(?:const|static(?: mut)?)\s+(\w+)", r"let \1", text)
            yield problem.propose("declare a variable", here.replace(item, changed), 0.5)
        for pair in (("const", "static"), ("static", "const")):
            if text.startswith(pair[0]):
                yield problem.propose(
                    f"declare a {pair[1]}", here.replace(item, pair[1] + text[len(pair[0]) :]), 0.4
                )
        value = field(item, "value")
        if value is not None and "LazyLock" not in text:
            type_, owner = field(item, "type"), field(item, "name")
            if type_ is not None and owner is not None:
                yield problem.propose(
                    "compute it at first use: LazyLock",
                    here.replace(
                        item,
                        f"static {here.of(owner)}: std::sync::LazyLock<{here.of(type_)}> = "
                        f"std::sync::LazyLock::new(|| {here.of(value)});",
                    ),
                    0.4,
                )
    for name in [*problem.quoted, problem.code]:
        for let in here.walk("let_declaration"):
            pattern, value = field(let, "pattern"), field(let, "value")
            if pattern is None or value is None or here.of(pattern).removeprefix("mut ") != name:
                continue
            if value.type == "integer_literal":
                for number, weight in (("usize", 0.6), ("i32", 0.45)):
                    yield problem.propose(
                        f"make `{name}` a constant",
                        here.replace(let, f"const {name}: {number} = {here.of(value)};"),
                        weight,
                    )
            declared = field(let, "type")
            if declared is not None:
                yield problem.propose(
                    f"make `{name}` a constant",
                    here.replace(let, f"const {name}: {here.of(declared)} = {here.of(value)};"),
                    0.6,
                )
    function = here.around(problem.span.byte_start, problem.span.byte_end, "call_expression")
    called = field(function, "function")
    found = find_definition(problem, here.of(called), "function") if called is not None else None
    if found is not None and problem.error.code == "E0015":
        source, node = found
        yield problem.propose(
            "make the function const", source.insert(node.start_byte, "const "), 0.65
        )


def closure_for_inner_function(problem: Problem) -> Iterator[Candidate]:
    """Turn an inner function that uses variables around it into a closure, or pass them in."""
    here = problem.here
    function = here.around(problem.span.byte_start, problem.span.byte_end, "function_item")
    name, parameters = field(function, "name"), field(function, "parameters")
    body, returned = field(function, "body"), field(function, "return_type")
    if function is None or name is None or parameters is None or body is None:
        return
    arrow = f" -> {here.of(returned)}" if returned is not None else ""
    inside = here.of(parameters)[1:-1]
    text = f"let {here.of(name)} = |{inside}|{arrow} {here.of(body)};"
    yield problem.propose(f"make `{here.of(name)}` a closure", here.replace(function, text), 0.6)
    mutable = text.replace("let ", "let mut ", 1)
    yield problem.propose(f"make `{here.of(name)}` a closure", here.replace(function, mutable), 0.4)
