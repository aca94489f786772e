"""Values of the wrong type: a conversion, a reference or a wrapper too many or too few."""

from __future__ import annotations

from collections.abc import Iterator

from m31r_core.repair.source import field, needs_parentheses
from m31r_data.mutate.moves import wrap
from m31r_data.mutate.returns import results
from m31r_data.mutate.tree import Change, SourceTree, around, code, insert, replace

_OTHER_TYPE = {
    b"usize": b"u32",
    b"u32": b"usize",
    b"u64": b"u32",
    b"i32": b"i64",
    b"i64": b"i32",
    b"u16": b"u32",
    b"u8": b"char",
    b"bool": b"u8",
    b"char": b"u8",
    b"f64": b"f32",
    b"f32": b"f64",
    b"isize": b"usize",
    b"str": b"String",
}


def drop_argument_reference(tree: SourceTree) -> Iterator[Change]:
    """Pass a value where a reference is wanted: `f(&x)` to `f(x)`."""
    for call in tree.calls():
        for given in code(field(call, "arguments")):
            value = field(given, "value")
            if given.type == "reference_expression" and value is not None:
                yield Change(given.start_byte, value.start_byte, b"")


def drop_reference(tree: SourceTree) -> Iterator[Change]:
    """Leave a `&` away outside of calls: in struct fields, operators, returned values."""
    for reference in tree.nodes("reference_expression"):
        value, parent = field(reference, "value"), reference.parent
        if value is None or parent is None:
            continue
        if parent.type in (
            "field_initializer",
            "binary_expression",
            "block",
            "match_arm",
            "tuple_expression",
            "closure_expression",
            "assignment_expression",
            "array_expression",
        ):
            yield Change(reference.start_byte, value.start_byte, b"")


def add_reference(tree: SourceTree) -> Iterator[Change]:
    """Pass a reference where the value is wanted: `f(x)` to `f(&x)`."""
    for call in tree.calls():
        for given in code(field(call, "arguments")):
            if given.type in ("identifier", "field_expression", "call_expression"):
                yield insert(given.start_byte, b"&")


def exclusive_to_shared(tree: SourceTree) -> Iterator[Change]:
    """Pass a shared reference where `&mut` is wanted: `f(&mut x)` to `f(&x)`."""
    for call in tree.calls():
        for given in code(field(call, "arguments")):
            value = field(given, "value")
            if (
                given.type == "reference_expression"
                and value is not None
                and tree.of(given).startswith(b"&mut ")
            ):
                yield Change(given.start_byte, value.start_byte, b"&")


def drop_dereference(tree: SourceTree) -> Iterator[Change]:
    """Use a reference for what it points to: `*x` to `x`."""
    for unary in tree.nodes("unary_expression"):
        if tree.of(unary).startswith(b"*"):
            yield Change(unary.start_byte, unary.start_byte + 1, b"")


def add_dereference(tree: SourceTree) -> Iterator[Change]:
    """Dereference what is no reference: `x + 1` to `*x + 1`."""
    for binary in tree.nodes("binary_expression"):
        for side in (field(binary, "left"), field(binary, "right")):
            if side is not None and side.type in ("identifier", "field_expression"):
                yield insert(side.start_byte, b"*")


def wrong_primitive(tree: SourceTree) -> Iterator[Change]:
    """Declare another primitive type: `len: usize` to `len: u32`."""
    for type_ in tree.nodes("primitive_type"):
        other = _OTHER_TYPE.get(tree.of(type_))
        if other and around(type_, "type_cast_expression", "block", "source_file") is not None:
            yield replace(type_, other)


def add_semicolon(tree: SourceTree) -> Iterator[Change]:
    """End the value of a function with a semicolon."""
    for _, result in results(tree):
        parent = result.parent
        if parent is not None and parent.type == "block" and not tree.of(result).endswith(b"}"):
            yield insert(result.end_byte, b";")


def drop_returned_value(tree: SourceTree) -> Iterator[Change]:
    """Return without the value: `return x;` to `return;`."""
    for returned in tree.nodes("return_expression"):
        value = code(returned)
        if value:
            yield Change(returned.start_byte + len(b"return"), value[0].end_byte, b"")


def drop_else(tree: SourceTree) -> Iterator[Change]:
    """Leave the other branch of a value away: `if c { a } else { b }` to `if c { a }`."""
    for branch in tree.nodes("if_expression"):
        alternative, consequence = field(branch, "alternative"), field(branch, "consequence")
        parent = branch.parent
        if alternative is None or consequence is None or parent is None:
            continue
        if parent.type != "expression_statement" and len(tree.of(alternative)) < 400:
            yield Change(consequence.end_byte, alternative.end_byte, b"")


def assign_for_compare(tree: SourceTree) -> Iterator[Change]:
    """Assign where a comparison is meant: `if a == b` to `if a = b`."""
    for binary in tree.nodes("binary_expression"):
        operator, left = field(binary, "operator"), field(binary, "left")
        if operator is None or tree.of(operator) != b"==" or left is None:
            continue
        if left.type in ("identifier", "field_expression", "index_expression"):
            yield replace(operator, b"=")


def compare_with_reference(tree: SourceTree) -> Iterator[Change]:
    """Compare or add a value and a reference: `a == b` to `a == &b`."""
    for binary in tree.nodes("binary_expression"):
        right, operator = field(binary, "right"), tree.of(field(binary, "operator"))
        if (
            right is not None
            and operator in (b"==", b"!=", b"<", b">", b"<=", b">=")
            and not needs_parentheses(right)
        ):
            yield insert(right.start_byte, b"&")


def wrong_index_type(tree: SourceTree) -> Iterator[Change]:
    """Index by another integer than usize: `v[i]` to `v[i as u32]`."""
    for index in tree.nodes("index_expression"):
        inside = code(index)
        if len(inside) == 2 and inside[1].type in (
            "identifier",
            "field_expression",
            "call_expression",
            "binary_expression",
        ):
            yield replace(inside[1], wrap(tree, inside[1]) + b" as u32")


def drop_option(tree: SourceTree) -> Iterator[Change]:
    """Declare a type without its wrapper: `Option<T>` to `T`, `Result<T, E>` to `T`."""
    for generic in tree.nodes("generic_type"):
        inside = code(field(generic, "type_arguments"))
        name = tree.of(field(generic, "type"))
        if inside and name in (
            b"Option",
            b"Result",
            b"Box",
            b"Rc",
            b"Arc",
            b"Vec",
            b"Cell",
            b"RefCell",
            b"Cow",
        ):
            yield replace(generic, tree.of(inside[-1 if name == b"Cow" else 0]))


def wrong_unary(tree: SourceTree) -> Iterator[Change]:
    """Apply an operator that the type lacks: `!done` to `-done`, `-x` to `!x`."""
    for unary in tree.nodes("unary_expression"):
        text = tree.of(unary)
        if text.startswith((b"!", b"-")):
            other = b"-" if text.startswith(b"!") else b"!"
            yield Change(unary.start_byte, unary.start_byte + 1, other)


def add_to_text(tree: SourceTree) -> Iterator[Change]:
    """Glue text with `+`: `format!("{a}{b}")`-like calls to `"…" + x`."""
    for call in tree.methods(b"push_str"):
        if call.receiver.type == "identifier" and len(call.arguments) == 1:
            name = tree.of(call.receiver)
            given = tree.of(call.arguments[0])
            yield replace(call.node, name + b" = " + given + b" + &" + name)
