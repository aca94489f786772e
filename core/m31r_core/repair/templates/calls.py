"""Calls, literals of structs and generic arguments that are incomplete or too long."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from m31r_core.repair.candidates import Candidate
from m31r_core.repair.edits import Edit
from m31r_core.repair.names import find_definition
from m31r_core.repair.problem import Problem
from m31r_core.repair.source import SourceText, field, statement_of, walk
from m31r_core.repair.values import plain_value


def arguments(problem: Problem) -> Iterator[Candidate]:
    """Fill in the arguments that are missing, leave out those that are too many."""
    here = problem.here
    call = here.around(problem.span.byte_start, problem.span.byte_end, "call_expression")
    given, function = field(call, "arguments"), field(call, "function")
    if call is None or given is None or function is None:
        return
    texts = [here.of(node) for node in given.named_children if "comment" not in node.type]
    name = re.sub(r"::<.*", "", here.of(function))
    types = _parameter_types(problem, name.split(".")[-1])
    if types is not None:
        if len(texts) > len(types):
            named = [
                problem.here.of(problem.node_of(s)) for s in problem.labelled("unexpected arg")
            ]
            for skip in range(len(texts)):
                kept = [text for i, text in enumerate(texts) if i != skip]
                if len(kept) == len(types):
                    yield problem.propose(
                        f"leave out the argument `{texts[skip]}`",
                        here.replace(given, f"({', '.join(kept)})"),
                        0.7 if texts[skip] in named else 0.45,
                    )
            yield problem.propose(
                "leave out what is too much",
                here.replace(given, f"({', '.join(texts[: len(types)])})"),
                0.45,
            )
        elif len(texts) < len(types):
            for place in range(len(texts) + 1):
                missing = len(types) - len(texts)
                values = [
                    plain_value(type_) or "Default::default()"
                    for type_ in types[place : place + missing]
                ]
                filled = [*texts[:place], *values, *texts[place:]]
                yield problem.invent(
                    f"add {', '.join(f'`{value}`' for value in values)}",
                    here.replace(given, f"({', '.join(filled)})"),
                    0.5 if place == len(texts) else 0.35,
                )
            yield from _forget_parameters(problem, name.split(".")[-1], len(texts))
        if len(texts) == len(types) and len(texts) > 1:
            for i in range(len(texts) - 1):
                swapped = [*texts[:i], texts[i + 1], texts[i], *texts[i + 2 :]]
                yield problem.propose(
                    f"swap `{texts[i]}` and `{texts[i + 1]}`",
                    here.replace(given, f"({', '.join(swapped)})"),
                    0.4,
                )
    elif not texts and not re.search(r"takes 0", problem.error.message):
        for value in ("Default::default()", "0", '""'):
            yield problem.invent(f"add `{value}`", here.replace(given, f"({value})"), 0.2)
    numbers = re.search(r"takes (\d+) .*?but (\d+)", problem.error.message)
    if numbers:
        wanted = int(numbers[1])
        if wanted < len(texts):
            yield problem.propose(
                "leave out what is too much",
                here.replace(given, f"({', '.join(texts[:wanted])})"),
                0.4,
            )
        if len(texts) > 1 and wanted == 1:
            yield problem.propose(
                "pass one tuple", here.replace(given, f"(({', '.join(texts)}))"), 0.4
            )
        if wanted > len(texts):
            for value in ("0", "1", '""', "Default::default()"):
                filled = [*texts, *[value] * (wanted - len(texts))]
                yield problem.invent(
                    f"add `{value}`", here.replace(given, f"({', '.join(filled)})"), 0.3
                )


def _parameter_types(problem: Problem, name: str) -> list[str] | None:
    found = find_definition(problem, name, "function")
    if found is None:
        return None
    source, node = found
    parameters = field(node, "parameters")
    if parameters is None:
        return None
    return [
        source.of(type_)
        for parameter in parameters.named_children
        if parameter.type == "parameter" and (type_ := field(parameter, "type")) is not None
    ]


def _forget_parameters(problem: Problem, name: str, count: int) -> Iterator[Candidate]:
    found = find_definition(problem, name, "function")
    if found is None:
        return
    source, node = found
    parameters = field(node, "parameters")
    own = [p for p in parameters.named_children if p.type == "parameter"] if parameters else []
    if parameters is not None and len(own) > count:
        kept = [source.of(p) for p in parameters.named_children if p not in own[count:]]
        yield problem.propose(
            f"let `{name}` take fewer parameters",
            source.replace(parameters, f"({', '.join(kept)})"),
            0.15,
        )


def struct_fields(problem: Problem) -> Iterator[Candidate]:
    """Fill in the fields that a struct literal lacks."""
    here = problem.here
    literal = here.around(problem.span.byte_start, problem.span.byte_end, "struct_expression")
    body = field(literal, "body")
    type_ = field(literal, "name")
    if literal is None or body is None or type_ is None:
        return
    found = find_definition(problem, here.of(type_), "type", "variant")
    types: dict[str, str] = {}
    if found is not None:
        source, node = found
        for declared in walk(node, "field_declaration"):
            name, kind = field(declared, "name"), field(declared, "type")
            if name is not None and kind is not None:
                types[source.of(name)] = source.of(kind)
    given = {
        here.of(field(node, "field") or field(node, "name") or (node.named_children or [node])[0])
        for node in body.named_children
        if node.type in ("field_initializer", "shorthand_field_initializer")
    }
    missing = [name for name in types if name not in given]
    if not missing:
        missing = [name for name in problem.quoted[:-1] if name not in given]
    if missing:
        before = body.named_children[-1] if body.named_child_count else None
        at = before.end_byte if before is not None else body.start_byte + 1
        multiline = b"\n" in here.text[body.start_byte : body.end_byte]
        separator = f"\n{here.indent(body.start_byte)}    " if multiline else " "
        for by_type in (True, False):
            parts = []
            for lacking in missing:
                value = plain_value(types.get(lacking, "")) if by_type else None
                parts.append(f"{separator}{lacking}: {value or 'Default::default()'}")
            text = ",".join(parts)
            comma = "," if before is not None else ""
            close = " " if not multiline and before is None else ""
            yield problem.invent(
                f"give {', '.join(f'`{name}`' for name in missing[:3])} a value",
                here.insert(at, f"{comma}{text}{close}"),
                0.6 if by_type else 0.5,
            )
        scope = [n for n in _names_in_scope(here, literal) if n in missing]
        if scope:
            text = ",".join(f"{separator}{name}" for name in missing)
            yield problem.propose(
                f"use the variables {', '.join(f'`{name}`' for name in missing)}",
                here.insert(at, f"{',' if before is not None else ''}{text}"),
                0.75,
            )
        yield problem.invent(
            "take the other fields from the default",
            here.insert(at, f"{',' if before is not None else ''}{separator}..Default::default()"),
            0.35,
        )


def _names_in_scope(source: SourceText, node: Node) -> list[str]:
    function = source.around(node.start_byte, node.end_byte, "function_item")
    return [source.of(n) for n in walk(function, "identifier")] if function is not None else []


def constructor_form(problem: Problem) -> Iterator[Candidate]:
    """Write a struct or variant as it is declared: with braces, parentheses, or neither."""
    here = problem.here
    code = problem.code
    name = code.split("(")[0].split("{")[0].strip()
    found = find_definition(problem, name.split("::")[-1], "variant", "type")
    if found is None:
        return
    source, node = found
    if node.type not in ("struct_item", "enum_variant", "union_item"):
        return
    call = here.around(
        problem.span.byte_start,
        problem.span.byte_end,
        "call_expression",
        "struct_expression",
        "tuple_struct_pattern",
        "struct_pattern",
    )
    target = (
        call if call is not None and call.start_byte == problem.span.byte_start else problem.node
    )
    body = field(node, "body")
    given = field(call, "arguments")
    values = [here.of(child) for child in given.named_children] if given is not None else []
    kind = body.type if body is not None else None
    pattern = target.type.endswith("pattern")
    if kind == "field_declaration_list" and body is not None:
        fields = [
            (source.of(field(f, "name") or f), source.of(field(f, "type") or f))
            for f in walk(body, "field_declaration")
        ]
        filled = [
            *values,
            *(plain_value(type_) or "Default::default()" for _, type_ in fields[len(values) :]),
        ]
        parts = [
            f"{field_name}: {value}" for (field_name, _), value in zip(fields, filled, strict=False)
        ]
        form = f"{name} {{ .. }}" if pattern else f"{name} {{ {', '.join(parts)} }}"
    elif kind == "ordered_field_declaration_list" and body is not None:
        types = [
            source.of(t)
            for t in body.named_children
            if t.type not in ("visibility_modifier", "attribute_item")
        ]
        parts = [
            values[i] if i < len(values) else plain_value(t) or "Default::default()"
            for i, t in enumerate(types)
        ]
        form = f"{name}(..)" if pattern else f"{name}({', '.join(parts)})"
    else:
        form = name
    yield problem.propose(f"write `{form}`", here.replace(target, form), 0.55)


def generic_arguments(problem: Problem) -> Iterator[Candidate]:
    """Give a type or function as many generic arguments as it takes."""
    here = problem.here
    node = here.around(
        problem.span.byte_start,
        problem.span.byte_end,
        "generic_type",
        "generic_function",
        "type_arguments",
        "generic_type_with_turbofish",
    )
    message = problem.error.message
    wanted = re.search(r"takes (\d+) (generic|lifetime|type)", message)
    none = re.search(r"takes 0|not (?:allowed|expected)|cannot (?:have|specify)|mismatch", message)
    if node is not None:
        args = node if node.type == "type_arguments" else field(node, "type_arguments")
        if args is not None:
            colons = here.slice(max(0, args.start_byte - 2), args.start_byte) == "::"
            start = args.start_byte - (2 if colons else 0)
            yield problem.propose(
                "leave the generic arguments out",
                Edit(here.path, start, args.end_byte, ""),
                0.55 if none else 0.3,
            )
            parts = [here.of(child) for child in args.named_children]
            if wanted:
                count = int(wanted[1])
                kind = wanted[2]
                lifetimes = [p for p in parts if p.startswith("'")]
                types = [p for p in parts if not p.startswith("'")]
                if kind == "lifetime":
                    lifetimes = (lifetimes + ["'_"] * count)[:count]
                else:
                    types = (types + ["i32"] * count)[:count]
                text = ", ".join([*lifetimes, *types])
                yield problem.propose(
                    f"write `<{text}>`", here.replace(args, f"<{text}>" if text else ""), 0.6
                )
    elif wanted and int(wanted[1]) > 0:
        filler = "'_" if wanted[2] == "lifetime" else "i32"
        text = ", ".join([filler] * int(wanted[1]))
        for form in (f"<{text}>", "<'static>" if filler == "'_" else "<String>"):
            yield problem.propose(
                f"write `{problem.code}{form}`", here.insert(problem.span.byte_end, form), 0.4
            )


def annotate(problem: Problem) -> Iterator[Candidate]:
    """Say which type is meant where rustc cannot tell."""
    here = problem.here
    let = here.around(problem.span.byte_start, problem.span.byte_end, "let_declaration")
    pattern = field(let, "pattern")
    text = here.of(let) if let is not None else ""
    types = ["i32", "String", "Vec<i32>", "u32", "f64"]
    if "collect" in text or "chars" in text:
        types = ["String", "Vec<char>", "Vec<_>", *types]
    if "Vec" in text or "vec!" in text or "collect" in text:
        types = ["Vec<_>", "Vec<i32>", *types]
    if "None" in text:
        types = ["Option<i32>", *types]
    if "Ok(" in text or "Err(" in text:
        types = ["Result<i32, String>", "Result<(), String>", *types]
    if "parse" in text or "sum" in text or "product" in text:
        types = ["i32", "u64", *types]
    if let is not None and pattern is not None and field(let, "type") is None:
        for i, type_ in enumerate(dict.fromkeys(types)):
            yield problem.propose(
                f"say that `{here.of(pattern)}` is `{type_}`",
                here.insert(pattern.end_byte, f": {type_}"),
                0.5 - 0.05 * i,
            )
    call = here.around(problem.span.byte_start, problem.span.byte_end, "call_expression")
    function = field(call, "function")
    if function is not None and function.type != "generic_function":
        for i, type_ in enumerate(("i32", "String", "Vec<_>", "_")):
            yield problem.propose(
                f"call it with `::<{type_}>`",
                here.insert(function.end_byte, f"::<{type_}>"),
                0.45 - 0.05 * i,
            )
    path = here.around(problem.span.byte_start, problem.span.byte_end, "scoped_identifier")
    head = field(path, "path")
    if head is not None and path is not None:
        for source in problem.sources():
            for impl in source.walk("impl_item"):
                trait, type_node = field(impl, "trait"), field(impl, "type")
                if (
                    trait is not None
                    and type_node is not None
                    and source.of(trait).split("<")[0] == here.of(head)
                ):
                    own = source.of(type_node)
                    yield problem.propose(
                        f"call it for `{own}`",
                        here.replace(head, f"<{own} as {here.of(head)}>"),
                        0.55,
                    )
    if problem.node.type == "closure_expression":
        parameters = field(problem.node, "parameters")
        if parameters is not None:
            for parameter in parameters.named_children[:1]:
                yield problem.propose(
                    "say what the closure takes", here.wrap(parameter, "", ": i32"), 0.3
                )


def closure_arity(problem: Problem) -> Iterator[Candidate]:
    """Let a closure take as many arguments as it is called with."""
    here = problem.here
    closure = here.around(problem.span.byte_start, problem.span.byte_end, "closure_expression")
    if closure is None:
        closures = list(walk(problem.node, "closure_expression"))
        closure = closures[0] if closures else None
    parameters = field(closure, "parameters")
    if parameters is None:
        return
    texts = [here.of(child) for child in parameters.named_children]
    numbers = re.findall(
        r"(\d+|a single|one|two) (?:distinct )?(?:argument|parameter|2-tuple)",
        problem.error.message + str([s.label for s in problem.error.spans]),
    )
    counts = {"a single": 1, "one": 1, "two": 2}
    for word in dict.fromkeys(numbers):
        count = counts.get(word) or int(word) if word not in counts else counts[word]
        fitted = (texts + ["_"] * count)[:count]
        yield problem.propose(
            f"let the closure take {count}", here.replace(parameters, f"|{', '.join(fitted)}|"), 0.6
        )
    if len(texts) > 1:
        yield problem.propose(
            "let the closure take one tuple",
            here.replace(parameters, f"|({', '.join(texts)})|"),
            0.55,
        )
    for text, node in zip(texts, parameters.named_children, strict=True):
        yield problem.propose(f"take `&{text}`", here.replace(node, f"&{text}"), 0.45)
        if ":" in text:
            name = text.split(":")[0]
            yield problem.propose("leave the type open", here.replace(node, name), 0.5)


def cast(problem: Problem) -> Iterator[Candidate]:
    """Cast in steps that exist, or convert without a cast."""
    here = problem.here
    node = here.around(problem.span.byte_start, problem.span.byte_end, "type_cast_expression")
    value, type_ = field(node, "value"), field(node, "type")
    if node is None or value is None or type_ is None:
        return
    text, target = here.of(value), here.of(type_)
    forms: list[tuple[str, float]] = [
        (f"*{text} as {target}", 0.6),
        (f"{text} as u8 as {target}", 0.45),
        (f"{text} as u32 as {target}", 0.4),
        (f"{text} as usize as {target}", 0.4),
        (f"{target}::from({text})", 0.5),
        (f"{text} != 0", 0.6 if target == "bool" else 0.05),
        (f"{text} as *const _ as {target}", 0.4),
        (f"&{text} as {target}", 0.4),
        (f"{text}.into()", 0.35),
        (f"&{text}[..]", 0.4 if "[" in target else 0.05),
        (f"{text}.len() as {target}", 0.15),
        (text, 0.3),
    ]
    if target == "char":
        forms.append((f"char::from_u32({text}).unwrap_or_default()", 0.65))
        forms.append((f"({text} as u8) as char", 0.4))
    for form, weight in forms:
        yield problem.propose(f"write `{form}`", here.replace(node, form), weight)


def not_callable(problem: Problem) -> Iterator[Candidate]:
    """Leave a call out where there is nothing to call."""
    here = problem.here
    call = here.around(problem.span.byte_start, problem.span.byte_end, "call_expression")
    function, given = field(call, "function"), field(call, "arguments")
    if call is None or function is None or given is None:
        return
    yield problem.propose(
        f"use `{here.of(function)}` without a call", here.replace(call, here.of(function)), 0.6
    )
    statement = statement_of(function)
    if statement is not None and b"\n" in here.text[function.end_byte : given.start_byte]:
        yield problem.propose("end the statement", here.insert(function.end_byte, ";"), 0.6)
    inner = here.of(given)[1:-1]
    if inner:
        yield problem.propose(
            f"multiply by `{inner}`", here.replace(call, f"{here.of(function)} * ({inner})"), 0.1
        )


def operator_on_reference(problem: Problem) -> Iterator[Candidate]:
    """Dereference, or leave a dereference out."""
    code = problem.code
    if code.startswith("*"):
        yield problem.propose("do not dereference", problem.edit(problem.span, code[1:]), 0.65)
    if code.startswith(("!", "-")):
        yield problem.propose(f"leave `{code[0]}` out", problem.edit(problem.span, code[1:]), 0.2)
    yield problem.propose(f"dereference `{code}`", problem.edit(problem.span, f"*{code}"), 0.4)
