"""Calls with too much, too little, in the wrong order or of the wrong thing."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from m31r_core.repair.source import field
from m31r_data.mutate.spelling import misspell
from m31r_data.mutate.tree import (
    Change,
    SourceTree,
    arguments,
    code,
    cut_from_list,
    insert,
    replace,
)


def drop_argument(tree: SourceTree) -> Iterator[Change]:
    """Leave the last argument away."""
    for call in tree.calls():
        given = arguments(call)
        if given:
            yield cut_from_list(tree, given[-1])


def add_argument(tree: SourceTree) -> Iterator[Change]:
    """Pass one argument too many: once more the last one, or `None`."""
    for call in tree.calls():
        given, inside = arguments(call), field(call, "arguments")
        if inside is None or not tree.of(inside).endswith(b")"):
            continue
        if given and len(tree.of(given[-1])) < 20 and given[-1].type != "closure_expression":
            yield insert(given[-1].end_byte, b", " + tree.of(given[-1]))
        elif not given and inside.end_byte - inside.start_byte == 2:
            yield insert(inside.end_byte - 1, b"None" if call.start_byte % 2 else b"0")


def swap_arguments(tree: SourceTree) -> Iterator[Change]:
    """Pass two arguments in each other's place."""
    for call in tree.calls():
        given = arguments(call)
        for first, second in itertools.pairwise(given):
            one, other = tree.of(first), tree.of(second)
            if len(one) + len(other) < 200 and one != other:
                between = tree.text[first.end_byte : second.start_byte]
                yield Change(first.start_byte, second.end_byte, other + between + one)


def misspell_method(tree: SourceTree) -> Iterator[Change]:
    """Call a method by a name that it does not have."""
    for call in tree.methods():
        yield replace(call.name, misspell(call.method, call.name.start_byte))


_ELSEWHERE = {
    b"len": b"length",
    b"push": b"append",
    b"push_str": b"append",
    b"is_empty": b"empty",
    b"contains": b"includes",
    b"contains_key": b"has_key",
    b"to_string": b"to_str",
    b"to_lowercase": b"lower",
    b"to_uppercase": b"upper",
    b"trim": b"strip",
    b"starts_with": b"startswith",
    b"ends_with": b"endswith",
    b"iter": b"items",
    b"unwrap_or": b"get_or",
    b"unwrap_or_default": b"or_default",
    b"map": b"then",
    b"insert": b"add",
    b"extend": b"concat",
    b"get": b"at",
    b"pop": b"remove_last",
    b"collect": b"to_list",
    b"filter": b"where_",
    b"for_each": b"foreach",
    b"as_str": b"as_string",
    b"clone": b"copy",
    b"is_some": b"has_value",
    b"is_none": b"is_null",
    b"min": b"minimum",
    b"max": b"maximum",
    b"enumerate": b"with_index",
    b"replace": b"replace_all",
    b"next": b"get_next",
    b"find": b"index_of",
    b"rev": b"reversed",
    b"concat": b"joined",
    b"sort": b"sorted",
    b"as_bytes": b"bytes_slice",
    b"saturating_sub": b"sub_saturating",
    b"unwrap": b"get_value",
    b"first": b"head",
    b"last": b"tail",
    b"skip": b"drop",
    b"split_whitespace": b"split_whitespaces",
    b"lines": b"readlines",
    b"is_err": b"failed",
    b"and_then": b"flat_then",
}


def foreign_method(tree: SourceTree) -> Iterator[Change]:
    """Call a method by the name that it has in another language: `.len()` to `.length()`."""
    for call in tree.methods(*_ELSEWHERE):
        yield replace(call.name, _ELSEWHERE[call.method])


def misspell_field(tree: SourceTree) -> Iterator[Change]:
    """Read a field by a name that it does not have."""
    for access in tree.nodes("field_expression"):
        name = field(access, "field")
        function = field(access.parent, "function")
        if name is not None and name.type == "field_identifier" and function != access:
            yield replace(name, misspell(tree.of(name), name.start_byte))


def wrong_tuple_field(tree: SourceTree) -> Iterator[Change]:
    """Read an element that a tuple does not have: `pair.1` to `pair.2`."""
    for access in tree.nodes("field_expression"):
        name = field(access, "field")
        if (
            name is not None
            and name.type == "integer_literal"
            and tree.of(name) in (b"0", b"1", b"2")
        ):
            yield replace(name, str(int(tree.of(name)) + 2).encode())


def method_without_call(tree: SourceTree) -> Iterator[Change]:
    """Take a method for a field: `v.len()` to `v.len`."""
    for call in tree.methods():
        function = field(call.node, "function")
        if not call.arguments and function is not None and function.type == "field_expression":
            yield Change(function.end_byte, call.node.end_byte, b"")


def field_with_call(tree: SourceTree) -> Iterator[Change]:
    """Take a field for a method: `self.len` to `self.len()`."""
    for access in tree.nodes("field_expression"):
        name, parent = field(access, "field"), access.parent
        if name is None or name.type != "field_identifier" or parent is None:
            continue
        if parent.type in ("arguments", "binary_expression", "let_declaration", "field_expression"):
            yield insert(access.end_byte, b"()")


def call_of_value(tree: SourceTree) -> Iterator[Change]:
    """Call what is no function: a variable, a constant, a variant: `MAX` to `MAX()`."""
    for kind in ("identifier", "scoped_identifier"):
        for name in tree.nodes(kind):
            parent = name.parent
            if parent is not None and parent.type in ("arguments", "binary_expression"):
                text = tree.of(name).rpartition(b"::")[2]
                if text[:1].isupper() or (
                    kind == "identifier" and parent.type == "binary_expression"
                ):
                    yield insert(name.end_byte, b"()")


def self_instead_of_method(tree: SourceTree) -> Iterator[Change]:
    """Call a method as a function of its type: `self.step()` to `Self::step()`."""
    for call in tree.methods():
        if call.receiver.type == "self":
            yield Change(call.receiver.start_byte, call.name.start_byte, b"Self::")


def method_instead_of_function(tree: SourceTree) -> Iterator[Change]:
    """Call an associated function through a value: `Self::new()` to `self.new()`."""
    for call in tree.calls():
        function = field(call, "function")
        if function is not None and re.fullmatch(rb"Self::[a-z_]\w*", tree.of(function)):
            yield Change(function.start_byte, function.start_byte + 6, b"self.")


def drop_self_prefix(tree: SourceTree) -> Iterator[Change]:
    """Use a field or method as if it were in scope: `self.len` to `len`."""
    for access in tree.nodes("field_expression"):
        value, name = field(access, "value"), field(access, "field")
        if (
            value is not None
            and value.type == "self"
            and name is not None
            and name.type == "field_identifier"
        ):
            yield Change(access.start_byte, name.start_byte, b"")


def drop_closure_parameter(tree: SourceTree) -> Iterator[Change]:
    """Write a closure for fewer arguments than it gets: `|a, b| …` to `|a| …`."""
    for closure in tree.nodes("closure_expression"):
        parameters = code(field(closure, "parameters"))
        if parameters and closure.parent is not None and closure.parent.type == "arguments":
            yield cut_from_list(tree, parameters[-1])


def add_closure_parameter(tree: SourceTree) -> Iterator[Change]:
    """Write a closure for more arguments than it gets: `|a| …` to `|a, i| …`, `|_| …`."""
    for closure in tree.nodes("closure_expression"):
        inside = field(closure, "parameters")
        parameters = code(inside)
        if inside is None or closure.parent is None or closure.parent.type != "arguments":
            continue
        if parameters:
            yield insert(parameters[-1].end_byte, b", index")
        else:
            yield insert(inside.start_byte + 1, b"_")


def drop_field_value(tree: SourceTree) -> Iterator[Change]:
    """Build a struct without one of its fields."""
    for body in tree.nodes("field_initializer_list"):
        fields = code(body)
        if any(each.type == "base_field_initializer" for each in fields) or len(fields) < 2:
            continue
        for each in fields:
            yield cut_from_list(tree, each)


def misspell_field_value(tree: SourceTree) -> Iterator[Change]:
    """Build a struct with a field that it does not have."""
    for each in tree.nodes("field_initializer"):
        name = field(each, "field") or field(each, "name")
        if name is not None and name.type == "field_identifier":
            yield replace(name, misspell(tree.of(name), name.start_byte))


def repeat_field_value(tree: SourceTree) -> Iterator[Change]:
    """Give a field of a struct twice."""
    for each in tree.nodes("field_initializer", "shorthand_field_initializer"):
        if len(tree.of(each)) < 60:
            start = tree.source.line_start(each.start_byte)
            alone = not tree.text[start : each.start_byte].strip()
            between = b",\n" + tree.text[start : each.start_byte] if alone else b", "
            yield insert(each.end_byte, between + tree.of(each))


def struct_as_function(tree: SourceTree) -> Iterator[Change]:
    """Build a struct with named fields as a tuple: `P { x, y }` to `P(x, y)`."""
    for struct in tree.nodes("struct_expression"):
        name, fields = field(struct, "name"), code(field(struct, "body"))
        if name is None or tree.of(name) == b"Self" or not fields or len(tree.of(struct)) > 120:
            continue
        values = [tree.of(field(each, "value") or each) for each in fields]
        if not any(each.type == "base_field_initializer" for each in fields):
            yield replace(struct, tree.of(name) + b"(" + b", ".join(values) + b")")
