"""Changing what was not declared to change."""

from __future__ import annotations

from collections.abc import Iterator

from m31r_core.repair.source import field
from m31r_data.mutate.tree import Change, SourceTree, around, child, replace

_READING = {
    b"iter_mut": b"iter",
    b"get_mut": b"get",
    b"as_mut": b"as_ref",
    b"as_deref_mut": b"as_deref",
    b"as_mut_slice": b"as_slice",
    b"values_mut": b"values",
    b"last_mut": b"last",
    b"first_mut": b"first",
    b"borrow_mut": b"borrow",
    b"split_at_mut": b"split_at",
    b"chunks_mut": b"chunks",
    b"chunks_exact_mut": b"chunks_exact",
    b"peek_mut": b"peek",
    b"get_unchecked_mut": b"get_unchecked",
    b"as_mut_ptr": b"as_ptr",
    b"write": b"read",
}


def drop_let_mut(tree: SourceTree) -> Iterator[Change]:
    """Declare what changes without `mut`: `let mut x` to `let x`."""
    for let in tree.nodes("let_declaration"):
        mut = child(let, "mutable_specifier")
        pattern = field(let, "pattern")
        if mut is not None and pattern is not None:
            yield Change(mut.start_byte, pattern.start_byte, b"")


def drop_pattern_mut(tree: SourceTree) -> Iterator[Change]:
    """Bind what changes without `mut`: `Some(mut x)` to `Some(x)`, parameters as well."""
    for pattern in tree.nodes("mut_pattern", "parameter", "self_parameter"):
        mut = child(pattern, "mutable_specifier")
        if mut is None or tree.of(pattern).startswith(b"&"):
            continue
        after = mut.next_named_sibling
        if after is not None:
            yield Change(mut.start_byte, after.start_byte, b"")


def share_let(tree: SourceTree) -> Iterator[Change]:
    """Borrow what is going to change only to read it: `let r = &mut x` to `let r = &x`."""
    for reference in tree.nodes("reference_expression"):
        mut, value = child(reference, "mutable_specifier"), field(reference, "value")
        parent = reference.parent
        if mut is None or value is None or parent is None:
            continue
        if parent.type in (
            "let_declaration",
            "for_expression",
            "let_condition",
            "match_expression",
        ):
            yield Change(mut.start_byte, value.start_byte, b"")


def share_self(tree: SourceTree) -> Iterator[Change]:
    """Let a method that changes the value only look: `&mut self` to `&self`."""
    for parameter in tree.nodes("self_parameter"):
        mut, name = child(parameter, "mutable_specifier"), child(parameter, "self")
        function = around(parameter, "function_item")
        if mut is None or name is None or not tree.of(parameter).startswith(b"&"):
            continue
        implementation = around(function, "impl_item")
        if function is not None and field(implementation, "trait") is None:
            yield Change(mut.start_byte, name.start_byte, b"")


def share_parameter(tree: SourceTree) -> Iterator[Change]:
    """Let a function that changes its argument only look: `x: &mut T` to `x: &T`."""
    for parameter in tree.nodes("parameter"):
        type_ = field(parameter, "type")
        mut = child(type_, "mutable_specifier")
        inner = field(type_, "type")
        implementation = around(parameter, "impl_item")
        if type_ is None or type_.type != "reference_type" or mut is None or inner is None:
            continue
        if (
            around(parameter, "function_item") is not None
            and field(implementation, "trait") is None
        ):
            yield Change(mut.start_byte, inner.start_byte, b"")


def read_only_method(tree: SourceTree) -> Iterator[Change]:
    """Ask for the shared view of what is to change: `.iter_mut()` to `.iter()`."""
    for call in tree.methods(*_READING):
        if call.method != b"write" or not call.arguments:
            yield replace(call.name, _READING[call.method])


def drop_ref_mut(tree: SourceTree) -> Iterator[Change]:
    """Bind by shared reference: `ref mut x` to `ref x`."""
    for pattern in tree.nodes("ref_pattern"):
        inner = child(pattern, "mut_pattern")
        mut = child(inner, "mutable_specifier") or child(pattern, "mutable_specifier")
        if mut is not None and mut.next_named_sibling is not None:
            yield Change(mut.start_byte, mut.next_named_sibling.start_byte, b"")


def assign_again(tree: SourceTree) -> Iterator[Change]:
    """Assign where the name was bound anew: `let x = x.trim();` to `x = x.trim();`."""
    for let in tree.nodes("let_declaration"):
        pattern, value = field(let, "pattern"), field(let, "value")
        if pattern is None or value is None or pattern.type != "identifier":
            continue
        if child(let, "mutable_specifier") is not None or field(let, "type") is not None:
            continue
        if field(let, "alternative") is None and tree.uses(
            tree.of(pattern), value.start_byte, value.end_byte
        ):
            yield Change(let.start_byte, pattern.start_byte, b"")


def drop_initial_value(tree: SourceTree) -> Iterator[Change]:
    """Leave a variable without a value to begin with: `let mut n = 0;` to `let mut n;`."""
    for let in tree.nodes("let_declaration"):
        value = field(let, "value")
        before = field(let, "type") or field(let, "pattern")
        if child(let, "mutable_specifier") is None or value is None or before is None:
            continue
        if field(let, "alternative") is None:
            yield Change(before.end_byte, value.end_byte, b"")
