"""Traits that a type lacks: derive, implement, bound; E0277, E0369, E0599 and their kind."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tree_sitter import Node

from m31r_core.repair.candidates import Candidate
from m31r_core.repair.edits import Edit
from m31r_core.repair.names import find_definition
from m31r_core.repair.problem import Problem
from m31r_core.repair.source import SourceText, field, needs_parentheses, walk

DERIVABLE = ("Debug", "Clone", "Copy", "PartialEq", "Eq", "PartialOrd", "Ord", "Hash", "Default")
_NEEDS = {
    "Copy": ("Clone", "Copy"),
    "Eq": ("PartialEq", "Eq"),
    "PartialOrd": ("PartialEq", "PartialOrd"),
    "Ord": ("PartialEq", "Eq", "PartialOrd", "Ord"),
    "Hash": ("Hash",),
}
_OPERATORS = {
    "+": "Add",
    "-": "Sub",
    "*": "Mul",
    "/": "Div",
    "%": "Rem",
    "&": "BitAnd",
    "|": "BitOr",
    "^": "BitXor",
    "<<": "Shl",
    ">>": "Shr",
}


def derive(problem: Problem) -> Iterator[Candidate]:
    """Derive the trait on the type that lacks it, and on those that it holds."""
    for type_, trait in _missing(problem):
        if trait in DERIVABLE:
            wanted = _NEEDS.get(trait, (trait,))
            yield from add_derive(problem, type_, wanted, 0.75)


def _missing(problem: Problem) -> Iterator[tuple[str, str]]:
    """Yield pairs of a type and the trait that it should have, most certain first."""
    texts = [problem.error.message]
    texts += [span.label or "" for span in problem.error.spans]
    texts += [note.message for note in problem.error.notes]
    for text in texts:
        for match in re.finditer(r"`([^`]+?): ([\w:]+)(?:<[^`]*>)?`", text):
            yield match[1], match[2].split("::")[-1]
        for match in re.finditer(
            r"trait `([\w:]+)(?:<[^`]*>)?` is not implemented for `([^`]+)`", text
        ):
            yield match[2], match[1].split("::")[-1]
        for match in re.finditer(
            r"`([^`]+)` (?:does not|doesn't) implement (?:the )?`?(?:trait )?`?([\w:]+)`?", text
        ):
            yield match[1], match[2].split("::")[-1]
        for match in re.finditer(
            r"an implementation of `([\w:]+)(?:<[^`]*>)?` might be missing for `([^`]+)`", text
        ):
            yield match[2], match[1].split("::")[-1]
        for match in re.finditer(
            r"binary operation `(==|!=|<|>|<=|>=)` cannot be applied to type `([^`]+)`", text
        ):
            yield match[2], "PartialEq" if match[1] in ("==", "!=") else "PartialOrd"
        for match in re.finditer(r"can't compare `([^`]+)` with `([^`]+)`", text):
            yield match[1], "PartialEq"
        for match in re.finditer(
            r"no (?:method|function or associated item) named `(\w+)` found for [^`]*`([^`]+)`",
            text,
        ):
            trait = {
                "clone": "Clone",
                "eq": "PartialEq",
                "cmp": "Ord",
                "hash": "Hash",
                "default": "Default",
                "partial_cmp": "PartialOrd",
                "fmt": "Debug",
            }.get(match[1])
            if trait is not None:
                yield match[2], trait


def add_derive(
    problem: Problem, type_: str, traits: Sequence[str], weight: float
) -> Iterator[Candidate]:
    """Add `traits` to what `type_` derives where the user's files define it."""
    for name in re.findall(r"\w+", type_)[:4]:
        found = find_definition(problem, name, "type")
        if found is None or found[1].type not in ("struct_item", "enum_item", "union_item"):
            continue
        source, node = found
        attribute = _derive_attribute(source, node)
        present = re.findall(r"\w+", source.of(attribute))[1:] if attribute is not None else []
        added = [trait for trait in traits if trait not in present]
        if not added:
            continue
        if attribute is None:
            indent = source.indent(node.start_byte)
            edit = source.insert(node.start_byte, f"#[derive({', '.join(added)})]\n{indent}")
        else:
            text = source.of(attribute)
            edit = source.replace(
                attribute, text[: text.rindex(")")].rstrip(", ") + f", {', '.join(added)})]"
            )
        yield problem.propose(f"derive {' and '.join(added)} for `{name}`", edit, weight)


def _derive_attribute(source: SourceText, node: Node) -> Node | None:
    before = node.prev_sibling
    while before is not None and before.type in ("attribute_item", "line_comment", "block_comment"):
        if before.type == "attribute_item" and re.match(r"#\[\s*derive\s*\(", source.of(before)):
            return before
        before = before.prev_sibling
    return None


def bound(problem: Problem) -> Iterator[Candidate]:
    """Bound the type parameter that lacks a trait."""
    seen = set()
    for type_, trait in _missing(problem):
        match = re.fullmatch(r"&*(?:mut )?(\w+)", type_)
        if match is None or (match[1], trait) in seen:
            continue
        seen.add((match[1], trait))
        yield from _add_bound(problem, match[1], _full(trait), 0.6)
    operator = re.search(
        r"cannot (?:add|subtract|multiply|divide|apply)|operation `([^`]+)`", problem.error.message
    )
    if operator and problem.quoted:
        operation = _OPERATORS.get((operator[1] or "").rstrip("="))
        for type_ in problem.quoted:
            if operation and re.fullmatch(r"\w+", type_):
                for form in (
                    f"std::ops::{operation}<Output = {type_}>",
                    f"std::ops::{operation}<Output = {type_}> + Copy",
                ):
                    yield from _add_bound(problem, type_, form, 0.6)


def _full(trait: str) -> str:
    prefix = {
        "Display": "std::fmt::",
        "Debug": "std::fmt::",
        "Hash": "std::hash::",
        "Write": "std::io::",
        "Read": "std::io::",
        "FromStr": "std::str::",
    }
    if trait in prefix:
        return prefix[trait] + trait
    if trait in _OPERATORS.values():
        return f"std::ops::{trait}"
    return trait


def _add_bound(problem: Problem, name: str, trait: str, weight: float) -> Iterator[Candidate]:
    here = problem.here
    node: Node | None = problem.node
    while node is not None:
        generics = field(node, "type_parameters")
        for parameter in generics.named_children if generics is not None else []:
            text = here.of(parameter)
            match = re.fullmatch(rf"{re.escape(name)}\b(.*)", text, re.S)
            if match is None:
                continue
            rest = match[1].strip()
            bounds, equals, default = (
                rest.lstrip(":").partition("=") if "<" not in rest else (rest.lstrip(":"), "", "")
            )
            bounds = bounds.strip()
            joined = f"{bounds} + {trait}" if bounds else trait
            text = f"{name}: {joined}" + (f" = {default.strip()}" if equals else "")
            yield problem.propose(
                f"require `{trait}` of `{name}`", here.replace(parameter, text), weight
            )
        node = node.parent
    for parameter in here.walk("parameter"):
        type_ = field(parameter, "type")
        if type_ is not None and here.of(type_).startswith("impl ") and name in here.of(type_):
            yield problem.propose(
                f"require `{trait}` too", here.wrap(type_, "", f" + {trait}"), weight
            )


def implement(problem: Problem) -> Iterator[Candidate]:
    """Implement a trait that asks for nothing, or Display by Debug."""
    seen: set[tuple[str, str]] = set()
    for type_, trait in _missing(problem):
        bare = re.sub(r"^&+(?:mut )?", "", type_)
        if (bare, trait) in seen:
            continue
        seen.add((bare, trait))
        owner = find_definition(problem, bare, "type")
        definition = find_definition(problem, trait, "trait")
        if trait == "Display" and owner is not None and owner[1].type != "trait_item":
            source, node = owner
            yield problem.propose(
                f"implement Display for `{bare}` by its Debug form",
                source.insert(
                    node.end_byte,
                    f"\n\nimpl std::fmt::Display for {bare} {{\n"
                    "    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {\n"
                    '        write!(f, "{self:?}")\n    }\n}',
                ),
                0.3,
            )
        if trait == "Error" and owner is not None:
            source, node = owner
            yield problem.propose(
                f"implement Error for `{bare}`",
                source.insert(node.end_byte, f"\n\nimpl std::error::Error for {bare} {{}}"),
                0.5,
            )
        if definition is None:
            continue
        source, node = definition
        yield from _implement_local(problem, source, node, trait, bare)


def _implement_local(
    problem: Problem, source: SourceText, node: Node, trait: str, type_: str
) -> Iterator[Candidate]:
    body = field(node, "body")
    required = [
        member
        for member in (body.named_children if body is not None else [])
        if member.type in ("function_signature_item", "associated_type")
        or (member.type == "const_item" and field(member, "value") is None)
    ]
    if "{" in type_ or "closure" in type_ or re.search(r"\b_\b", type_):
        return
    indent = source.indent(node.start_byte)
    stubs = []
    for member in required:
        text = source.of(member).rstrip(";")
        if member.type == "function_signature_item":
            stubs.append(f"{text} {{ todo!() }}")
        elif member.type == "associated_type":
            stubs.append(f"{text.split(':')[0]} = ();")
        else:
            stubs.append(f"{text} = Default::default();")
    inside = "".join(f"\n{indent}    {stub}" for stub in stubs)
    closing = f"\n{indent}" if stubs else ""
    parameter = re.fullmatch(r"[A-Z]", type_)
    if parameter is None:
        yield problem.propose(
            f"implement `{trait}` for `{type_}`",
            source.insert(
                node.end_byte, f"\n\n{indent}impl {trait} for {type_} {{{inside}{closing}}}"
            ),
            0.45 if not stubs else 0.2,
        )


def format_debug(problem: Problem) -> Iterator[Candidate]:
    """Print a value with `{:?}` where it has no Display, or the other way round."""
    here = problem.here
    for span in problem.spans():
        text = problem.source(span.path).slice(span.byte_start, span.byte_end)
        if re.fullmatch(r"\{\w*\}", text):
            yield problem.propose(
                "print the Debug form", problem.edit(span, f"{text[:-1]}:?}}"), 0.75
            )
        elif re.fullmatch(r"\{\w*:#?\?\}", text):
            shown = re.sub(r":#?\?", "", text)
            yield problem.propose("print the Display form", problem.edit(span, shown), 0.4)
    macro = here.around(
        problem.span.byte_start, problem.span.byte_end, "macro_invocation", "call_expression"
    )
    while macro is not None and "!" not in here.of(macro).split("(")[0]:
        macro = macro.parent
    for literal in walk(macro, "string_literal") if macro is not None else ():
        text = here.of(literal)
        changed = re.sub(r"\{(\w*)\}", r"{\1:?}", text)
        if changed != text:
            yield problem.propose("print the Debug form", here.replace(literal, changed), 0.6)


def index_type(problem: Problem) -> Iterator[Candidate]:
    """Index by usize, and slices by ranges of it."""
    message = problem.error.message
    if "cannot be indexed by" not in message and "slice indices" not in str(
        [s.label for s in problem.error.spans]
    ):
        return
    code = problem.code
    wrapped = f"({code})" if needs_parentheses(problem.node) else code
    yield problem.propose(
        f"convert `{code}` to usize", problem.edit(problem.span, f"{wrapped} as usize"), 0.75
    )
    index = problem.here.around(problem.span.byte_start, problem.span.byte_end, "index_expression")
    if index is not None and len(index.named_children) == 2:
        base, at = (problem.here.of(child) for child in index.named_children)
        for form, weight in (
            (f"{base}.chars().nth({at}).unwrap()", 0.5),
            (f"&{base}[{at}..{at} + 1]", 0.4),
            (f"{base}.as_bytes()[{at}]", 0.4),
        ):
            yield problem.propose(
                f"write `{form}`",
                problem.here.replace(index, form),
                weight,
            )


def make_iterable(problem: Problem) -> Iterator[Candidate]:
    """Iterate over what has an iterator: a reference, `iter()`, a range, the characters."""
    if "is not an iterator" not in problem.error.message and "not an iterator" not in str(
        problem.error.notes
    ):
        return
    code = problem.code
    wrapped = f"({code})" if needs_parentheses(problem.node) else code
    for form, weight in (
        (f"0..{code}", 0.5),
        (f"{wrapped}.iter()", 0.6),
        (f"&{wrapped}", 0.5),
        (f"{wrapped}.chars()", 0.45),
        (f"{wrapped}.into_iter()", 0.4),
    ):
        yield problem.propose(f"iterate over `{form}`", problem.edit(problem.span, form), weight)


def question_mark(problem: Problem) -> Iterator[Candidate]:
    """Let the function return what `?` needs."""
    if "the `?` operator" not in problem.error.message:
        return
    here = problem.here
    function = here.around(problem.span.byte_start, problem.span.byte_end, "function_item")
    parameters, body = field(function, "parameters"), field(function, "body")
    declared = field(function, "return_type")
    if function is None or parameters is None or body is None:
        return
    kinds = [
        ("Result<{0}, Box<dyn std::error::Error>>", "Ok"),
        ("Option<{0}>", "Some"),
    ]
    inner = here.of(declared) if declared is not None else "()"
    last = [child for child in body.named_children if "comment" not in child.type][-1:]
    for form, constructor in kinds:
        type_ = form.format(inner)
        edits = [
            here.replace(declared, type_)
            if declared is not None
            else here.insert(parameters.end_byte, f" -> {type_}")
        ]
        tail = (
            last[0]
            if last and last[0].type not in ("expression_statement", "let_declaration")
            else None
        )
        if (
            tail is not None
            and not here.of(tail).endswith(("}", ";"))
            and not here.of(tail).startswith("println")
        ):
            edits.append(here.wrap(tail, f"{constructor}(", ")"))
        else:
            indent = here.indent(function.start_byte)
            close = body.end_byte - 1
            one_line = b"\n" not in here.text[body.start_byte : body.end_byte]
            at = close if one_line else here.line_start(close)
            ending = f"{constructor}(()) " if one_line else f"{indent}    {constructor}(())\n"
            edits.append(here.insert(at, ending))
        yield problem.propose(f"return `{type_}`", edits, 0.6 if constructor == "Ok" else 0.4)
    question = here.around(problem.span.byte_start, problem.span.byte_end, "try_expression")
    if question is not None:
        text = here.of(question)[:-1]
        yield problem.propose(
            "unwrap instead of `?`",
            here.replace(question, f"{text}.unwrap()"),
            0.3,
        )


def sized(problem: Problem) -> Iterator[Candidate]:
    """Put what has no size behind a pointer."""
    if "size for values of type" not in problem.error.message and problem.error.code not in (
        "E0746",
        "E0782",
    ):
        return
    for type_ in problem.quoted[:1]:
        for source in problem.sources():
            for node in source.walk(
                "type_identifier", "array_type", "dynamic_type", "primitive_type", "generic_type"
            ):
                text = source.of(node)
                if text != type_.removeprefix("(").removesuffix(")") and text != type_:
                    continue
                parent = node.parent
                if parent is not None and parent.type == "reference_type":
                    continue
                near = (
                    source.path == problem.here.path
                    and abs(node.start_byte - problem.span.byte_start) < 400
                )
                weight = 0.6 if near else 0.2
                yield problem.propose(f"use `&{text}`", source.replace(node, f"&{text}"), weight)
                yield problem.propose(
                    f"use `Box<{text}>`", source.replace(node, f"Box<{text}>"), weight - 0.05
                )
                if text == "str":
                    yield problem.propose("use `String`", source.replace(node, "String"), weight)


def make_thread_safe(problem: Problem) -> Iterator[Candidate]:
    """Share between threads with what can be: Arc for Rc, Mutex for RefCell."""
    if not re.search(r"cannot be (?:sent|shared) between threads", problem.error.message):
        return
    for source in problem.sources():
        text = source.text.decode("utf-8", "replace")
        changed = re.sub(r"\bstd::rc::Rc\b", "std::sync::Arc", text)
        changed = re.sub(r"\bRc\b", "Arc", changed)
        if changed != text:
            edits = []
            for match in re.finditer(rb"\bstd::rc::Rc\b|\bRc\b", source.text):
                new = "std::sync::Arc" if match[0].startswith(b"std") else "Arc"
                edits.append(Edit(source.path, match.start(), match.end(), new))
            yield problem.propose("share with Arc instead of Rc", edits, 0.7)
