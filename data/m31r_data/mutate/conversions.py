"""Values that are not opened, wrapped, converted or spelt as their type asks."""

from __future__ import annotations

from collections.abc import Iterator

from m31r_core.repair.source import field
from m31r_data.mutate.returns import results
from m31r_data.mutate.tree import Change, SourceTree, code, insert, replace

_CONVERSIONS = (
    b"into", b"to_string", b"to_owned", b"to_vec", b"as_str", b"as_bytes", b"cloned", b"copied",
    b"collect", b"as_slice", b"into_iter", b"to_path_buf", b"as_ptr", b"into_boxed_slice", b"len",
)  # fmt: skip

_UNWRAPPING = (
    b"unwrap",
    b"expect",
    b"unwrap_or",
    b"unwrap_or_default",
    b"unwrap_or_else",
    b"ok_or",
    b"ok",
    b"map_err",
    b"ok_or_else",
)


def drop_question_mark(tree: SourceTree) -> Iterator[Change]:
    """Forget to unwrap a result: `f()?` to `f()`."""
    for attempt in tree.nodes("try_expression"):
        yield Change(attempt.end_byte - 1, attempt.end_byte, b"")


def add_question_mark(tree: SourceTree) -> Iterator[Change]:
    """Use `?` on what cannot fail, or where it cannot be returned."""
    for let in tree.nodes("let_declaration"):
        value = field(let, "value")
        if value is not None and value.type == "call_expression" and not tree.is_macro(value):
            yield insert(value.end_byte, b"?")


def drop_unwrap(tree: SourceTree) -> Iterator[Change]:
    """Forget to open an option or a result: `x.unwrap()` to `x`."""
    for call in tree.methods(*_UNWRAPPING):
        yield Change(call.receiver.end_byte, call.node.end_byte, b"")


def drop_wrapper(tree: SourceTree) -> Iterator[Change]:
    """Return the bare value: `Some(x)`, `Ok(x)`, `Box::new(x)` to `x`."""
    for call in tree.calls():
        given = code(field(call, "arguments"))
        name = tree.of(field(call, "function"))
        if len(given) == 1 and name in (
            b"Some",
            b"Ok",
            b"Err",
            b"Box::new",
            b"Rc::new",
            b"Arc::new",
            b"Cow::Borrowed",
        ):
            yield replace(call, tree.of(given[0]))


def add_wrapper(tree: SourceTree) -> Iterator[Change]:
    """Wrap what is to be returned bare: `x` to `Some(x)`."""
    for _, result in results(tree):
        if result.type in ("identifier", "field_expression", "call_expression", "integer_literal"):
            wrapper = b"Ok(" if tree.of(result).startswith((b"Some", b"None")) else b"Some("
            yield replace(result, wrapper + tree.of(result) + b")")


def drop_cast(tree: SourceTree) -> Iterator[Change]:
    """Mix integer types: `n as u64` to `n`."""
    for cast in tree.nodes("type_cast_expression"):
        value = field(cast, "value")
        if value is not None:
            yield Change(value.end_byte, cast.end_byte, b"")


def wrong_cast(tree: SourceTree) -> Iterator[Change]:
    """Cast to what no cast leads to: `n as usize` to `n as bool`, `n as char`."""
    for cast in tree.nodes("type_cast_expression"):
        type_ = field(cast, "type")
        if type_ is not None and type_.type == "primitive_type" and tree.of(type_) != b"u8":
            yield replace(type_, b"bool" if (cast.start_byte // 2) % 2 else b"char")


def drop_conversion(tree: SourceTree) -> Iterator[Change]:
    """Forget a conversion: `name.to_string()` to `name`."""
    for call in tree.methods(*_CONVERSIONS):
        if not call.arguments:
            yield Change(call.receiver.end_byte, call.node.end_byte, b"")


def wrong_literal(tree: SourceTree) -> Iterator[Change]:
    """Write a literal of another type: `0` to `0.0`, `"a"` to `0`, `'a'` to `"a"`."""
    for kind in (
        "integer_literal",
        "char_literal",
        "string_literal",
        "boolean_literal",
        "float_literal",
    ):
        for literal in tree.nodes(kind):
            text, parent = tree.of(literal), literal.parent
            if parent is None or parent.type in ("field_expression", "range_pattern", "array_type"):
                continue
            if (
                parent.type == "arguments"
                and parent.parent is not None
                and tree.is_macro(parent.parent)
            ):
                continue
            if kind == "integer_literal" and text.isdigit():
                yield replace(
                    literal, b'"' + text + b'"' if literal.start_byte % 3 == 0 else text + b".0"
                )
            elif kind == "char_literal" and len(text) > 2 and text[1:2] not in (b'"', b"\\"):
                yield replace(literal, b'"' + text[1:-1] + b'"')
            elif kind == "string_literal" and len(text) == 3 and text[1:2] not in b"'\\":
                yield replace(literal, b"'" + text[1:-1] + b"'")
            elif kind == "string_literal":
                yield insert(literal.end_byte, b".to_string()")
            elif kind == "boolean_literal":
                yield replace(literal, b"1" if text == b"true" else b"0")
            elif kind == "float_literal" and text.endswith(b".0"):
                yield replace(literal, text[:-2])


def drop_type_annotation(tree: SourceTree) -> Iterator[Change]:
    """Leave the type for the compiler to guess: `let v: Vec<_> = …` to `let v = …`."""
    for let in tree.nodes("let_declaration"):
        type_, pattern = field(let, "type"), field(let, "pattern")
        if type_ is not None and pattern is not None:
            yield Change(pattern.end_byte, type_.end_byte, b"")


def drop_turbofish(tree: SourceTree) -> Iterator[Change]:
    """Leave a type argument for the compiler to guess: `parse::<u32>()` to `parse()`."""
    for generic in tree.nodes("generic_function"):
        inside, function = field(generic, "type_arguments"), field(generic, "function")
        if inside is not None and function is not None:
            yield Change(function.end_byte, inside.end_byte, b"")
