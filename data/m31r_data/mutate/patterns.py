"""Patterns that do not cover, bind too much or name what is not there."""

from __future__ import annotations

from collections.abc import Iterator

from m31r_core.repair.source import field
from m31r_data.mutate.spelling import misspell
from m31r_data.mutate.tree import (
    Change,
    SourceTree,
    child,
    code,
    cut,
    cut_from_list,
    insert,
    replace,
)


def drop_arm(tree: SourceTree) -> Iterator[Change]:
    """Forget a case of a match."""
    for block in tree.nodes("match_block"):
        arms = [each for each in code(block) if each.type == "match_arm"]
        if len(arms) > 1:
            for arm in arms:
                if len(tree.of(arm)) < 500:
                    yield cut(tree, arm)


def drop_wildcard(tree: SourceTree) -> Iterator[Change]:
    """Forget the case of everything else: the arm of `_`."""
    for arm in tree.nodes("match_arm"):
        if tree.of(field(arm, "pattern")).strip() == b"_" and len(tree.of(arm)) < 500:
            yield cut(tree, arm)


def guard_arm(tree: SourceTree) -> Iterator[Change]:
    """Let a case depend on a condition that leaves the rest uncovered."""
    for block in tree.nodes("match_block"):
        arms = [each for each in code(block) if each.type == "match_arm"]
        pattern = field(arms[-1], "pattern") if arms else None
        if pattern is None or field(pattern, "condition") is not None:
            continue
        if len(arms) > 1 and tree.of(pattern) != b"_" and b"(" not in tree.of(pattern):
            yield insert(pattern.end_byte, b" if true")


def refutable_let(tree: SourceTree) -> Iterator[Change]:
    """Bind what may not match: `let Some(x) = y else { … };` without its `else`."""
    for let in tree.nodes("let_declaration"):
        alternative, value = field(let, "alternative"), field(let, "value")
        if alternative is not None and value is not None:
            yield Change(value.end_byte, alternative.end_byte, b"")


def unwrap_if_let(tree: SourceTree) -> Iterator[Change]:
    """Bind by `let` what may not match: `if let Some(x) = y {` to `let Some(x) = y; {`."""
    for condition in tree.nodes("let_condition"):
        branch = condition.parent
        block = field(branch, "consequence")
        if branch is None or block is None or branch.type != "if_expression":
            continue
        parent = branch.parent
        if (
            field(branch, "alternative") is None
            and parent is not None
            and parent.type == "expression_statement"
        ):
            yield Change(
                branch.start_byte,
                block.start_byte,
                tree.of(condition) + b";\n" + tree.source.indent(branch.start_byte).encode(),
            )


def drop_bound_name(tree: SourceTree) -> Iterator[Change]:
    """Leave away what a pattern binds: `Some(x)` to `Some(_)`, `(a, b)` to `(a, _)`."""
    for pattern in tree.nodes("tuple_struct_pattern", "tuple_pattern"):
        kind = field(pattern, "type")
        for each in code(pattern):
            if each.type == "identifier" and (kind is None or each.id != kind.id):
                yield replace(each, b"_")


def extra_element(tree: SourceTree) -> Iterator[Change]:
    """Bind more than a variant or tuple holds: `Some(x)` to `Some(x, _)`."""
    for pattern in tree.nodes("tuple_struct_pattern", "tuple_pattern"):
        kind = field(pattern, "type")
        inside = [each for each in code(pattern) if kind is None or each.id != kind.id]
        if inside and not any(each.type == "remaining_field_pattern" for each in inside):
            yield insert(inside[-1].end_byte, b", _")


def missing_element(tree: SourceTree) -> Iterator[Change]:
    """Bind less than a variant or tuple holds: `Pair(a, b)` to `Pair(a)`."""
    for pattern in tree.nodes("tuple_struct_pattern", "tuple_pattern"):
        kind = field(pattern, "type")
        inside = [each for each in code(pattern) if kind is None or each.id != kind.id]
        if len(inside) > 1:
            yield cut_from_list(tree, inside[-1])


def drop_pattern_field(tree: SourceTree) -> Iterator[Change]:
    """Forget a field in a struct's pattern, or the `..` for the rest."""
    for pattern in tree.nodes("struct_pattern"):
        fields = [
            each
            for each in code(pattern)
            if each.type in ("field_pattern", "remaining_field_pattern")
        ]
        if len(fields) > 1:
            yield cut_from_list(tree, fields[-1])
            if fields[-1].type == "field_pattern":
                yield cut_from_list(tree, fields[0])


def misspell_pattern_field(tree: SourceTree) -> Iterator[Change]:
    """Ask a struct's pattern for a field that the struct does not have."""
    for each in tree.nodes("field_pattern"):
        name = child(each, "shorthand_field_identifier", "field_identifier")
        if name is not None:
            yield replace(name, misspell(tree.of(name), name.start_byte))


def tuple_for_struct(tree: SourceTree) -> Iterator[Change]:
    """Match a variant with named fields as a tuple: `V { a, .. }` to `V(a, ..)`."""
    for pattern in tree.nodes("struct_pattern"):
        kind = field(pattern, "type")
        fields = [each for each in code(pattern) if kind is None or each.id != kind.id]
        if kind is not None and fields:
            inside = b", ".join(tree.of(field(each, "pattern") or each) for each in fields)
            yield replace(pattern, tree.of(kind) + b"(" + inside + b")")


def variant_without_fields(tree: SourceTree) -> Iterator[Change]:
    """Match a variant without what it holds: `Some(_)` to `Some`."""
    for pattern in tree.nodes("tuple_struct_pattern"):
        kind = field(pattern, "type")
        if kind is not None and kind.type in ("scoped_identifier", "identifier"):
            yield replace(pattern, tree.of(kind))


def variant_with_fields(tree: SourceTree) -> Iterator[Change]:
    """Match a variant that holds nothing as if it did: `None` to `None(_)`."""
    for pattern in tree.nodes("match_pattern"):
        inside = code(pattern)
        if (
            len(inside) == 1
            and inside[0].type in ("scoped_identifier", "identifier")
            and tree.of(inside[0]).rpartition(b"::")[2][:1].isupper()
        ):
            yield insert(inside[0].end_byte, b"(_)")


def unqualified_variant(tree: SourceTree) -> Iterator[Change]:
    """Name a variant without its type: `Kind::A(x)` to `A(x)`."""
    for kind in ("tuple_struct_pattern", "match_pattern", "struct_pattern"):
        for pattern in tree.nodes(kind):
            name = field(pattern, "type") or (code(pattern)[0] if code(pattern) else None)
            last = field(name, "name")
            if name is not None and name.type.startswith("scoped") and last is not None:
                yield replace(name, tree.of(last))


def bind_twice(tree: SourceTree) -> Iterator[Change]:
    """Bind two things by one name: `(a, b)` to `(a, a)`."""
    for kind in ("tuple_struct_pattern", "tuple_pattern", "parameters", "closure_parameters"):
        for pattern in tree.nodes(kind):
            names = [field(each, "pattern") or each for each in code(pattern)]
            names = [each for each in names if each.type == "identifier"]
            if field(pattern, "type") in names:
                names = names[1:]
            if len(names) > 1 and tree.of(names[0]) != tree.of(names[-1]):
                yield replace(names[-1], tree.of(names[0]))


def wrong_literal_pattern(tree: SourceTree) -> Iterator[Change]:
    """Match a value against a literal of another type: `1 =>` to `"1" =>`."""
    for pattern in tree.nodes("match_pattern"):
        inside = code(pattern)
        if len(inside) != 1:
            continue
        text = tree.of(inside[0])
        if inside[0].type == "integer_literal" and text.isdigit():
            yield replace(inside[0], b'"' + text + b'"')
        elif inside[0].type == "string_literal":
            yield replace(
                inside[0],
                text + b".to_string()"
                if len(text) > 12
                else b"'" + text[1:2].strip(b"\"\\'") + b"'",
            )
        elif inside[0].type == "char_literal":
            yield replace(inside[0], b'"' + text[1:-1].strip(b'"\\') + b'"')


def option_pattern(tree: SourceTree) -> Iterator[Change]:
    """Look for the other wrapper: `Some(x)` to `Ok(x)`, `Ok(x)` to `Some(x)`."""
    other = {b"Some": b"Ok", b"Ok": b"Some", b"Err": b"None"}
    for pattern in tree.nodes("tuple_struct_pattern"):
        kind = field(pattern, "type")
        if kind is not None and tree.of(kind) in other:
            if tree.of(kind) == b"Err":
                yield replace(pattern, b"None")
            else:
                yield replace(kind, other[tree.of(kind)])
