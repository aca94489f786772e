"""Two borrows at once: one that begins too early, lasts too long or is forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from m31r_core.repair.source import field, walk
from m31r_data.mutate.locals import bindings, function_body, statement_pairs
from m31r_data.mutate.naming import binds
from m31r_data.mutate.order import put_before
from m31r_data.mutate.places import borrowed_variable, changed_places, is_place, overlaps, place
from m31r_data.mutate.tree import Change, SourceTree, arguments, child, replace


def borrow_instead_of_copy(tree: SourceTree) -> Iterator[Change]:
    """Keep a reference where a copy was made, although the original changes meanwhile."""
    for let, name, value, after in bindings(tree):
        owner = value
        if value.type == "call_expression":
            function = field(value, "function")
            method, receiver = field(function, "field"), field(function, "value")
            if receiver is None or tree.of(method) not in (
                b"clone",
                b"to_owned",
                b"to_vec",
                b"to_string",
                b"len",
                b"copied",
                b"cloned",
            ):
                continue
            if tree.of(method) in (b"copied", b"cloned"):
                if _changes_before_use(tree, name, place(receiver), after):
                    yield replace(value, tree.of(receiver))
                continue
            owner = receiver
        if owner.type not in ("field_expression", "index_expression", "identifier"):
            continue
        if field(let, "type") is None and _changes_before_use(tree, name, owner, after):
            yield replace(value, b"&" + tree.of(owner))


def _changes_before_use(
    tree: SourceTree, name: bytes, owner: Node | None, after: list[Node]
) -> bool:
    """Whether a later statement changes `owner`, and `name` is used in it or behind it."""
    if owner is None or not after:
        return False
    text = re.split(rb"[\[(]", tree.of(owner))[0]
    for statement in after:
        if overlaps(text, changed_places(tree.of(statement))):
            return bool(tree.uses(name, statement.start_byte, after[-1].end_byte))
    return False


def change_while_borrowed(tree: SourceTree) -> Iterator[Change]:
    """Change a value one statement too early, while a reference to it is still needed."""
    for first, second in statement_pairs(tree):
        changed = changed_places(tree.of(second))
        if not changed or second.type == "let_declaration":
            continue
        for use in walk(first, "identifier"):
            owner = _lender(tree, use)
            if owner and overlaps(owner, changed):
                yield put_before(tree, first, second)
                break


def _lender(tree: SourceTree, use: Node) -> bytes:
    """Return what the variable `use` borrows, as text, or nothing."""
    body = function_body(use)
    if body is None:
        return b""
    found = b""
    for declared in tree.uses(tree.of(use), body.start_byte, use.start_byte):
        let = declared.parent
        if let is None or let.type != "let_declaration" or field(let, "pattern") != declared:
            continue
        value = field(let, "value")
        if value is not None and borrowed_variable(tree, value) is not None:
            text = tree.of(value).removeprefix(b"&").removeprefix(b"mut ")
            found = re.split(rb"[\[(]", text.strip())[0]
            found = found.rpartition(b".")[0] if text.strip()[len(found) :][:1] == b"(" else found
    return found


def borrow_before_change(tree: SourceTree) -> Iterator[Change]:
    """Borrow before the statement that changes the value instead of after it."""
    for first, second in statement_pairs(tree):
        pattern, value = field(second, "pattern"), field(second, "value")
        if second.type != "let_declaration" or pattern is None or value is None:
            continue
        owner = borrowed_variable(tree, value)
        if owner is None or binds(tree, first, owner):
            continue
        changed = changed_places(tree.of(first))
        if any(each.split(b".")[0] == tree.of(owner) for each in changed):
            yield put_before(tree, first, second)


def inline_let(tree: SourceTree) -> Iterator[Change]:
    """Compute in place what was computed before because of a borrow."""
    for let, name, value, after in bindings(tree):
        owner = place(value)
        if owner is None or not after or value.type in ("identifier", "self"):
            continue
        statement = after[0]
        uses = tree.uses(name, statement.start_byte, statement.end_byte)
        later = tree.uses(name, statement.end_byte, after[-1].end_byte)
        if len(uses) != 1 or later or child(let, "mutable_specifier") is not None:
            continue
        if not any(
            each.split(b".")[0] == tree.of(owner) for each in changed_places(tree.of(statement))
        ):
            continue
        before = tree.text[statement.start_byte : uses[0].start_byte]
        behind = tree.text[uses[0].end_byte : statement.end_byte]
        new = before + tree.of(value) + behind
        yield Change(let.start_byte, statement.end_byte, new)


def change_while_iterating(tree: SourceTree) -> Iterator[Change]:
    """Loop over the collection itself while the loop changes it, not over a copy."""
    for loop in tree.nodes("for_expression"):
        value, body = field(loop, "value"), field(loop, "body")
        if value is None or body is None or value.type != "call_expression":
            continue
        function, given = tree.of(field(value, "function")), arguments(value)
        owner = None
        if re.search(rb"\bmem::(take|replace)$|^take$", function) and given:
            owner = field(given[0], "value")
        elif re.search(rb"\.(clone|to_vec|to_owned|drain)$", function):
            owner = field(field(value, "function"), "value")
        elif re.search(rb"\.collect(::<.*>)?$", function, re.S):
            function_node = field(value, "function")
            inner = field(function_node, "function") or function_node
            receiver = field(inner, "value")
            if receiver is not None:
                yield replace(value, tree.of(receiver))
            continue
        if owner is not None and is_place(owner):
            yield replace(value, b"&" + tree.of(owner))


def swap_by_reference(tree: SourceTree) -> Iterator[Change]:
    """Exchange two elements by two references: `v.swap(i, j)` to `mem::swap(&mut …, &mut …)`."""
    for call in tree.methods(b"swap"):
        if len(call.arguments) == 2 and not tree.of(call.arguments[1]).startswith(b"Ordering"):
            name = tree.of(call.receiver)
            one, other = (b"&mut " + name + b"[" + tree.of(each) + b"]" for each in call.arguments)
            yield replace(call.node, b"std::mem::swap(" + one + b", " + other + b")")


def split_by_index(tree: SourceTree) -> Iterator[Change]:
    """Borrow two halves one by one: `v.split_at_mut(n)` to `(&mut v[..n], &mut v[n..])`."""
    for call in tree.methods(b"split_at_mut"):
        if len(call.arguments) == 1:
            name, at = tree.of(call.receiver), tree.of(call.arguments[0])
            new = b"(&mut " + name + b"[.." + at + b"], &mut " + name + b"[" + at + b"..])"
            yield replace(call.node, new)


def copy_within_by_index(tree: SourceTree) -> Iterator[Change]:
    """Copy from a slice to itself: `v.copy_within(a, b)` to `v[b..].copy_from_slice(&v[a])`."""
    for call in tree.methods(b"copy_within"):
        if len(call.arguments) == 2:
            name = tree.of(call.receiver)
            source, to = (tree.of(each) for each in call.arguments)
            new = name + b"[" + to + b"..].copy_from_slice(&" + name + b"[" + source + b"])"
            yield replace(call.node, new)
