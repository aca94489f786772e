"""Names that do not exist: the nearest one that does, an import, a declaration."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from m31r_core.repair import names
from m31r_core.repair.candidates import Candidate
from m31r_core.repair.edits import Edit
from m31r_core.repair.problem import Problem
from m31r_core.repair.source import field, statement_of, walk


def nearest_name(problem: Problem) -> Iterator[Candidate]:
    """Replace the unknown name by names that come near, of the kind that is wanted."""
    wanted = _wanted(problem)
    if wanted is None:
        return
    name, span_start, span_end = wanted
    kinds = _kinds(problem)
    known = names.all_names(problem, *(kind for kind in kinds if kind in names.DEFINITIONS))
    if "type" in kinds or "trait" in kinds:
        known += [*names.STD_TYPES, *names.PRIMITIVES]
    if "method" in kinds or "field" in kinds:
        known += [*names.all_names(problem, "function"), *names.METHODS]
    if "value" in kinds:
        known += _locals(problem)
    for i, near in enumerate(names.close(name, known)):
        yield problem.propose(
            f"write `{near}` instead of `{name}`",
            Edit(problem.here.path, span_start, span_end, near),
            0.7 - 0.1 * i,
            source="name",
        )


def _wanted(problem: Problem) -> tuple[str, int, int] | None:
    """The unknown name and where it stands."""
    code, start = problem.code, problem.span.byte_start
    for name in [*problem.quoted, code]:
        last = name.split("::")[-1].strip("!#")
        match = list(re.finditer(rf"\b{re.escape(last)}\b", code)) if last.isidentifier() else []
        if match:
            offset = start + len(code[: match[-1].start()].encode())
            return last, offset, offset + len(last.encode())
    return None


def _kinds(problem: Problem) -> tuple[str, ...]:
    message = problem.error.message
    for pattern, kinds in (
        (
            r"no method|no function or associated item|no associated",
            ("function", "method", "variant"),
        ),
        (r"no variant", ("variant", "function")),
        (r"field|has no field", ("field",)),
        (r"trait", ("trait", "type")),
        (r"type|struct|enum", ("type", "variant", "module")),
        (r"function|macro", ("function", "macro", "value", "variant")),
        (r"value", ("value", "function", "variant")),
        (
            r"import|module|crate|path|undeclared",
            ("module", "type", "function", "variant", "macro"),
        ),
        (r"method|not a member", ("function",)),
        (r"variant", ("variant",)),
    ):
        if re.search(pattern, message):
            return kinds
    return ("value", "function", "type", "field", "variant")


def _locals(problem: Problem) -> list[str]:
    function = problem.here.around(problem.span.byte_start, problem.span.byte_end, "function_item")
    if function is None:
        return []
    return list(dict.fromkeys(problem.here.of(node) for node in walk(function, "identifier")))


def add_import(problem: Problem) -> Iterator[Candidate]:
    """Import a name of the standard library, or one that another module of the crate defines."""
    wanted = _wanted(problem)
    if wanted is None:
        return
    name, start, end = wanted
    here = problem.here
    paths = [names.STD_PATHS[name]] if name in names.STD_PATHS else []
    for module in here.walk("mod_item"):
        body = field(module, "body")
        owner = field(module, "name")
        for kind in ("type", "function", "trait"):
            for node in walk(body, *names.DEFINITIONS[kind]) if body is not None else ():
                if owner is not None and here.of(field(node, "name") or node) == name:
                    paths.append(f"{here.of(owner)}::{name}")
    for path in dict.fromkeys(paths):
        yield problem.propose(
            f"import `{path}`",
            here.insert(names.import_place(here), f"use {path};\n"),
            0.7,
            source="name",
        )
        inner = here.around(start, end, "mod_item")
        body = field(inner, "body")
        if body is not None:
            yield problem.propose(
                f"import `{path}`",
                here.insert(body.start_byte + 1, f"\n    use {path};"),
                0.6,
                source="name",
            )
        before = here.slice(max(0, start - 2), start)
        if before != "::":
            yield problem.propose(
                f"write `{path}`", Edit(here.path, start, end, path), 0.6, source="name"
            )


def qualify(problem: Problem) -> Iterator[Candidate]:
    """Write `self.name`, `Self::name`, `Enum::Variant` or `super::name` for a bare name."""
    wanted = _wanted(problem)
    if wanted is None:
        return
    name, start, end = wanted
    here = problem.here
    method = here.around(start, end, "function_item")
    impl = here.around(start, end, "impl_item", "trait_item")
    forms: list[tuple[str, float]] = []
    if impl is not None and method is not None:
        parameters = field(method, "parameters")
        if parameters is not None and "self" in here.of(parameters):
            forms.append((f"self.{name}", 0.6))
        forms.append((f"Self::{name}", 0.6))
    for source in problem.sources():
        for enum in source.walk("enum_item"):
            owner = field(enum, "name")
            for variant in walk(enum, "enum_variant"):
                variant_name = field(variant, "name")
                if (
                    owner is not None
                    and variant_name is not None
                    and source.of(variant_name) == name
                ):
                    forms.append((f"{source.of(owner)}::{name}", 0.65))
    for prefix in ("super", "crate", "self"):
        forms.append((f"{prefix}::{name}", 0.35))
    if (
        here.slice(max(0, start - 2), start) not in ("::",)
        and here.slice(max(0, start - 1), start) != "."
    ):
        for form, weight in dict.fromkeys(forms):
            yield problem.propose(
                f"write `{form}`", Edit(here.path, start, end, form), weight, source="name"
            )


def add_self(problem: Problem) -> Iterator[Candidate]:
    """Give a function of an impl the `self` that its body uses."""
    here = problem.here
    function = here.around(problem.span.byte_start, problem.span.byte_end, "function_item")
    parameters = field(function, "parameters")
    if parameters is None or re.search(r"\bself\b", here.of(parameters)):
        return
    rest = "" if parameters.named_child_count == 0 else ", "
    for form, weight in (("&self", 0.75), ("&mut self", 0.5), ("self", 0.3)):
        yield problem.propose(
            f"take `{form}`", here.insert(parameters.start_byte + 1, f"{form}{rest}"), weight
        )


def declare(problem: Problem) -> Iterator[Candidate]:
    """Declare what is missing: a binding, a parameter, a generic parameter, a function, a type."""
    wanted = _wanted(problem)
    if wanted is None:
        return
    name, start, end = wanted
    here = problem.here
    message = problem.error.message
    statement = statement_of(problem.node)
    if "value" in message and statement is not None and name.islower():
        text = here.of(statement)
        if re.match(rf"{re.escape(name)}\s*=[^=]", text):
            yield problem.propose(
                f"declare `{name}` here", here.insert(statement.start_byte, "let "), 0.7
            )
            yield problem.propose(
                f"declare `{name}` here", here.insert(statement.start_byte, "let mut "), 0.5
            )
        indent = here.indent(statement.start_byte)
        at = here.line_start(statement.start_byte)
        for value in ("0", "Default::default()", '""'):
            yield problem.invent(
                f"declare `{name}` as `{value}`",
                here.insert(at, f"{indent}let {name} = {value};\n"),
                0.12,
            )
        yield from _move_use_into_scope(problem, name, statement)
    if "type" in message:
        for kinds in (
            ("function_item", "function_signature_item"),
            ("struct_item", "enum_item", "type_item"),
            ("impl_item",),
            ("trait_item",),
        ):
            item = here.around(start, end, *kinds)
            owner = field(item, "name") or field(item, "type")
            if item is None or owner is None:
                continue
            generics = field(item, "type_parameters")
            if generics is not None:
                edit = here.insert(generics.end_byte - 1, f", {name}")
            elif item.type == "impl_item":
                edit = here.insert(item.start_byte + 4, f"<{name}>")
            else:
                edit = here.insert(owner.end_byte, f"<{name}>")
            yield problem.propose(
                f"declare the type parameter `{name}`", edit, 0.6 if len(name) == 1 else 0.2
            )
    top: Node = problem.node
    while top.parent is not None and top.parent.parent is not None:
        top = top.parent
    at = here.line_start(top.start_byte)
    call = here.around(start, end, "call_expression")
    called = field(call, "function")
    if call is not None and called is not None and here.of(called) == name and name[0].islower():
        arguments = field(call, "arguments")
        count = arguments.named_child_count if arguments is not None else 0
        if count == 0:
            yield problem.invent(
                f"define a function `{name}`", here.insert(at, f"fn {name}() {{}}\n\n"), 0.15
            )
        types = ", ".join(f"T{i}" for i in range(count))
        parameters = ", ".join(f"_: T{i}" for i in range(count))
        if count:
            yield problem.invent(
                f"define a function `{name}`",
                here.insert(at, f"fn {name}<{types}>({parameters}) {{}}\n\n"),
                0.12,
            )
    for pattern, form in (
        (r"\btrait\b", f"trait {name} {{}}"),
        (r"\btype\b|struct", f"struct {name};"),
    ):
        if re.search(pattern, message) and name[0].isupper():
            yield problem.invent(f"define `{name}`", here.insert(at, f"{form}\n\n"), 0.15)
            inner = here.around(start, end, "block")
            if inner is not None:
                yield problem.invent(
                    f"define `{name}`", here.insert(inner.start_byte + 1, f"\n    {form}"), 0.12
                )


def _move_use_into_scope(problem: Problem, name: str, statement: Node) -> Iterator[Candidate]:
    """Where the name was declared in an inner block: declare it before that block."""
    here = problem.here
    for let in here.walk("let_declaration"):
        pattern = field(let, "pattern")
        block = let.parent
        if pattern is None or here.of(pattern).removeprefix("mut ") != name or block is None:
            continue
        if let.end_byte < statement.start_byte and block.parent is not None:
            outer = block if block.parent.type == "block" else block.parent
            yield problem.propose(
                f"declare `{name}` before the block",
                [
                    here.insert(
                        here.line_start(outer.start_byte),
                        f"{here.indent(outer.start_byte)}{here.of(let)}\n",
                    ),
                    here.remove(let),
                ],
                0.5,
            )


def drop_prefix(problem: Problem) -> Iterator[Candidate]:
    """Leave out the part of a path that does not exist."""
    path = problem.here.around(
        problem.span.byte_start,
        problem.span.byte_end,
        "scoped_identifier",
        "scoped_type_identifier",
        "use_declaration",
    )
    if path is None:
        return
    if path.type == "use_declaration":
        return
    last = field(path, "name")
    if last is not None:
        yield problem.propose(
            f"write `{problem.here.of(last)}`",
            problem.here.replace(path, problem.here.of(last)),
            0.3,
        )


def call_as_method_or_function(problem: Problem) -> Iterator[Candidate]:
    """Exchange method, field and associated function where the other is what is there."""
    here = problem.here
    access = here.around(problem.span.byte_start, problem.span.byte_end, "field_expression")
    if access is None:
        return
    call = access.parent
    if call is not None and call.type == "call_expression":
        arguments = field(call, "arguments")
        name, value = field(access, "field"), field(access, "value")
        if arguments is not None and arguments.named_child_count == 0:
            yield problem.propose(
                "read the field: no call", here.replace(call, here.of(access)), 0.5
            )
        if name is not None and value is not None:
            inside = here.of(arguments)[1:-1] if arguments is not None else ""
            yield problem.propose(
                "call what the field holds",
                here.replace(call, f"({here.of(access)})({inside})"),
                0.55,
            )
            joined = f"{here.of(value)}, {inside}" if inside else here.of(value)
            yield problem.propose(
                f"call `{here.of(name)}` as a function",
                here.replace(call, f"{here.of(name)}({joined})"),
                0.35,
            )
            impl_type = _owner_of_function(problem, here.of(name))
            if impl_type:
                yield problem.propose(
                    f"call `{impl_type}::{here.of(name)}`",
                    here.replace(call, f"{impl_type}::{here.of(name)}({inside})"),
                    0.6,
                )
    else:
        yield problem.propose("call the method", here.insert(access.end_byte, "()"), 0.6)
    value = field(access, "value")
    if value is not None:
        text = here.of(value)
        if problem.error.code == "E0610":
            yield problem.propose(f"use `{text}` itself", here.replace(access, text), 0.5)
        name = field(access, "field")
        if text.startswith(("(*", "*")) or name is None:
            return
        for form, weight in (
            (f"(*{text})", 0.3),
            (f"{text}.unwrap()", 0.3),
            (f"{text}.iter()", 0.35),
            (f"{text}.borrow()", 0.25),
            (f"{text}.lock().unwrap()", 0.2),
            (f"{text}.0", 0.2),
            (f"{text}.as_ref()", 0.2),
        ):
            yield problem.propose(
                f"use `{form}`",
                here.replace(value, form),
                weight,
            )
        if re.fullmatch(r"[\d.]+", text):
            yield problem.propose(
                "give the number a type",
                here.replace(value, f"{text.rstrip('.')}{'.0_f64' if '.' not in text else '_f64'}"),
                0.4,
            )
            yield problem.propose(
                "give the number a type",
                here.replace(value, f"{text}_f32" if "." in text.rstrip(".") else f"{text}_i32"),
                0.3,
            )


def _owner_of_function(problem: Problem, name: str) -> str | None:
    for source in problem.sources():
        for impl in source.walk("impl_item"):
            for function in walk(impl, "function_item"):
                if source.of(field(function, "name") or function) == name:
                    type_ = field(impl, "type")
                    return None if type_ is None else re.sub(r"<.*", "", source.of(type_))
    return None
