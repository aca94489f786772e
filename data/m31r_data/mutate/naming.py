"""A borrow that is given a name too early, and lives on while something else needs the value."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from m31r_core.repair.source import field, walk
from m31r_data.mutate.locals import function_body, statement_pairs
from m31r_data.mutate.order import JUMPS
from m31r_data.mutate.places import MUTATING, changed_places, is_place, overlaps, place
from m31r_data.mutate.tree import Change, SourceTree, child, replace


def borrow_early(tree: SourceTree) -> Iterator[Change]:
    """Name a mutable borrow one statement too early, and use it after that statement."""
    for first, second in statement_pairs(tree):
        for place_, whole in _mutable_uses(tree, second):
            if _mentions(tree, first, place_) and not binds(tree, first, place_):
                yield _hoist(tree, first, second, place_, whole, b"&mut ")
                break


def share_early(tree: SourceTree) -> Iterator[Change]:
    """Name a shared borrow before a statement that changes what is borrowed, and use it after."""
    for first, second in statement_pairs(tree):
        changed = changed_places(tree.of(first))
        if not changed:
            continue
        for place_, whole in _shared_uses(tree, second):
            if overlaps(tree.of(place_), changed) and not binds(tree, first, place_):
                yield _hoist(tree, first, second, place_, whole, b"&")
                break


def change_in_closure(tree: SourceTree) -> Iterator[Change]:
    """Put a change into a closure, look at the value, and only then call the closure."""
    for first, second in statement_pairs(tree):
        if first.type != "expression_statement" or not tree.of(first).endswith(b";"):
            continue
        if len(tree.of(first)) > 300 or any(True for _ in walk(first, *JUMPS)):
            continue
        changed = changed_places(tree.of(first))
        text = tree.of(second)
        if second.type not in ("let_declaration", "expression_statement"):
            continue
        for each in sorted(changed):
            if re.search(rb"(?<![\w.])" + re.escape(each) + rb"(?!\w)", text):
                indent = b"\n" + tree.source.indent(first.start_byte).encode()
                closure = b"let mut update = || " + tree.of(first)
                new = closure + indent + text + indent + b"update();"
                yield Change(first.start_byte, second.end_byte, new)
                break


def name_receiver(tree: SourceTree) -> Iterator[Change]:
    """Name the borrow of a call that reads the same value: `v.push(v.len())` through `r`."""
    for call in tree.methods(b"push", b"insert", b"push_str", b"extend_from_slice", b"resize"):
        receiver, parent = call.receiver, call.node.parent
        if not is_place(receiver) or parent is None or parent.type != "expression_statement":
            continue
        text = tree.of(receiver)
        given = tree.of(field(call.node, "arguments"))
        if re.search(rb"(?<![\w.])" + re.escape(text) + rb"(?!\w)", given):
            name = _free_name(tree, receiver)
            indent = tree.source.indent(parent.start_byte).encode()
            line = b"let " + name + b" = &mut " + text + b";\n" + indent
            rest = tree.text[receiver.end_byte : call.node.end_byte]
            yield replace(call.node, line + name + rest)


def name_assigned(tree: SourceTree) -> Iterator[Change]:
    """Name the borrow of what is assigned from itself: `self.a = self.f();` through `*a`."""
    for assignment in tree.nodes("assignment_expression", "compound_assignment_expr"):
        left, right = field(assignment, "left"), field(assignment, "right")
        if left is None or right is None or not is_place(left):
            continue
        text = tree.of(left)
        if not text.startswith(b"self.") or b"self." not in tree.of(right):
            continue
        parent = assignment.parent
        if parent is None or parent.type != "expression_statement":
            continue
        name = _free_name(tree, left)
        indent = tree.source.indent(parent.start_byte).encode()
        line = b"let " + name + b" = &mut " + text + b";\n" + indent
        operator = tree.text[left.end_byte : right.start_byte]
        yield replace(assignment, line + b"*" + name + operator + tree.of(right))


def name_before_loop(tree: SourceTree) -> Iterator[Change]:
    """Borrow before a loop what the loop's head reads too: `while v.len() < n { v.push(…) }`."""
    for loop in tree.nodes("for_expression", "while_expression"):
        statement, body = loop.parent, field(loop, "body")
        if statement is None or statement.type != "expression_statement" or body is None:
            continue
        for place_, whole in _mutable_uses(tree, body):
            header = tree.text[loop.start_byte : body.start_byte]
            start = place(place_)
            if start is None or not re.search(rb"\b" + re.escape(tree.of(place_)) + rb"\b", header):
                continue
            name = _free_name(tree, place_)
            indent = tree.source.indent(statement.start_byte).encode()
            line = b"let " + name + b" = &mut " + tree.of(place_) + b";\n" + indent
            before = tree.text[statement.start_byte : whole.start_byte]
            yield Change(statement.start_byte, whole.end_byte, line + before + name)
            break


def _mutable_uses(tree: SourceTree, statement: Node) -> Iterator[tuple[Node, Node]]:
    """Yield what is borrowed mutably in a statement, and the node that does it."""
    for node in walk(statement, "reference_expression", "call_expression"):
        if node.type == "reference_expression":
            value = field(node, "value")
            if child(node, "mutable_specifier") is not None and is_place(value):
                assert value is not None
                yield value, node
            continue
        function = field(node, "function")
        receiver, name = field(function, "value"), field(function, "field")
        if (
            name is not None
            and receiver is not None
            and is_place(receiver)
            and MUTATING.fullmatch(tree.of(name))
        ):
            yield receiver, receiver


def _shared_uses(tree: SourceTree, statement: Node) -> Iterator[tuple[Node, Node]]:
    for node in walk(statement, "reference_expression", "call_expression"):
        if node.type == "reference_expression":
            value = field(node, "value")
            if child(node, "mutable_specifier") is None and is_place(value):
                assert value is not None
                yield value, node
            continue
        function = field(node, "function")
        receiver, name = field(function, "value"), field(function, "field")
        if (
            name is not None
            and receiver is not None
            and is_place(receiver)
            and not MUTATING.fullmatch(tree.of(name))
            and receiver.type != "self"
        ):
            yield receiver, receiver


def _mentions(tree: SourceTree, statement: Node, place_: Node) -> bool:
    """Whether the statement uses the place, or all of `self` when the place is part of it."""
    text = tree.of(place_)
    if re.search(rb"(?<![\w.])" + re.escape(text) + rb"(?!\w)", tree.of(statement)):
        return True
    return text.startswith(b"self.") and bool(re.search(rb"\bself\.\w+\(", tree.of(statement)))


def _hoist(
    tree: SourceTree, first: Node, second: Node, place_: Node, whole: Node, how: bytes
) -> Change:
    name = _free_name(tree, place_)
    indent = tree.source.indent(first.start_byte).encode()
    line = b"let " + name + b" = " + how + tree.of(place_) + b";\n" + indent
    before = tree.text[first.start_byte : whole.start_byte]
    after = tree.text[whole.end_byte : second.end_byte]
    return Change(first.start_byte, second.end_byte, line + before + name + after)


def _free_name(tree: SourceTree, place_: Node) -> bytes:
    """Return a name for a borrow that the function does not use yet."""
    last = re.split(rb"\W+", tree.of(place_))[-1] or b"value"
    body = function_body(place_)
    start, end = (0, len(tree.text)) if body is None else (body.start_byte, body.end_byte)
    for name in (last, last + b"_ref", b"borrowed", b"current"):
        if not name[:1].isdigit() and name != b"self" and not tree.uses(name, start, end):
            return name
    return b"target"


def binds(tree: SourceTree, statement: Node, place_: Node) -> bool:
    """Whether a statement binds the variable that a place begins with."""
    start = place(place_)
    pattern = field(statement, "pattern")
    if pattern is None or start is None:
        return False
    return bool(tree.uses(tree.of(start), pattern.start_byte, pattern.end_byte))
