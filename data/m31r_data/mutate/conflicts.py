"""Two borrows at once: one that begins too early, lasts too long or is forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from m31r_core.repair.source import field, walk
from m31r_data.mutate.locals import (
    bindings,
    function_body,
    place,
    statement_pairs,
)
from m31r_data.mutate.moves import borrowed_variable, swap
from m31r_data.mutate.tree import Change, SourceTree, arguments, child, replace

_MUTATING = (
    rb"push|push_str|push_back|push_front|insert|insert_str|remove|swap_remove|pop|pop_front|pop_back|append"
    rb"|extend|extend_from_slice|clear|truncate|retain|drain|resize|reserve|sort\w*|dedup\w*|set|set_\w+"
    rb"|entry|get_mut|iter_mut|as_mut|write|write_\w+|read|read_\w+|next|take|replace|fill|swap|reverse"
    rb"|rotate_\w+|add_\w+|update|advance|consume|bump|get_or_insert\w*|last_mut|first_mut|split_off"
)
_CHANGES = re.compile(
    rb"(?P<a>[\w.]+)(\[[^\[\]]*\])?(\.\w+)*\s*([-+*/%^|]|<<|>>)?=(?![=>])"
    rb"|&mut\s+(?P<b>[\w.]+)|(?P<c>[\w.]+?)\.(" + _MUTATING + rb")(::<[^()]*>)?\("
)
_MUTATING_NAME = re.compile(_MUTATING)
_JUMPS = (
    "try_expression",
    "return_expression",
    "break_expression",
    "continue_expression",
    "await_expression",
    "let_condition",
)


def changed_places(text: bytes) -> set[bytes]:
    """Return the variables and fields that a piece of code probably changes."""
    found = set()
    for match in _CHANGES.finditer(text):
        name = match["a"] or match["b"] or match["c"]
        if name and not name[:1].isdigit() and name.strip(b"."):
            found.add(name.strip(b"."))
    return found


def overlaps(place_: bytes, others: set[bytes]) -> bool:
    """Whether a variable or field is, holds or belongs to one of the others."""
    return any(
        place_ == other or place_.startswith(other + b".") or other.startswith(place_ + b".")
        for other in others
    )


def borrow_early(tree: SourceTree) -> Iterator[Change]:
    """Name a mutable borrow one statement too early, and use it after that statement."""
    for first, second in statement_pairs(tree):
        for place_, whole in _mutable_uses(tree, second):
            if _mentions(tree, first, place_) and not _binds(tree, first, place_):
                yield _hoist(tree, first, second, place_, whole, b"&mut ")
                break


def share_early(tree: SourceTree) -> Iterator[Change]:
    """Name a shared borrow before a statement that changes what is borrowed, and use it after."""
    for first, second in statement_pairs(tree):
        changed = changed_places(tree.of(first))
        if not changed:
            continue
        for place_, whole in _shared_uses(tree, second):
            if overlaps(tree.of(place_), changed) and not _binds(tree, first, place_):
                yield _hoist(tree, first, second, place_, whole, b"&")
                break


def _mutable_uses(tree: SourceTree, statement: Node) -> Iterator[tuple[Node, Node]]:
    """Yield what is borrowed mutably in a statement, and the node that does it."""
    for node in walk(statement, "reference_expression", "call_expression"):
        if node.type == "reference_expression":
            value = field(node, "value")
            if child(node, "mutable_specifier") is not None and _is_place(value):
                assert value is not None
                yield value, node
            continue
        function = field(node, "function")
        receiver, name = field(function, "value"), field(function, "field")
        if (
            name is not None
            and receiver is not None
            and _is_place(receiver)
            and _MUTATING_NAME.fullmatch(tree.of(name))
        ):
            yield receiver, receiver


def _shared_uses(tree: SourceTree, statement: Node) -> Iterator[tuple[Node, Node]]:
    for node in walk(statement, "reference_expression", "call_expression"):
        if node.type == "reference_expression":
            value = field(node, "value")
            if child(node, "mutable_specifier") is None and _is_place(value):
                assert value is not None
                yield value, node
            continue
        function = field(node, "function")
        receiver, name = field(function, "value"), field(function, "field")
        if (
            name is not None
            and receiver is not None
            and _is_place(receiver)
            and not _MUTATING_NAME.fullmatch(tree.of(name))
            and receiver.type != "self"
        ):
            yield receiver, receiver


def _is_place(node: Node | None) -> bool:
    while node is not None and node.type == "field_expression":
        node = field(node, "value")
    return node is not None and node.type in ("identifier", "self")


def _mentions(tree: SourceTree, statement: Node, place_: Node) -> bool:
    """Whether the statement uses the place, or all of `self` when the place is part of it."""
    text = tree.of(place_)
    if re.search(rb"(?<![\w.])" + re.escape(text) + rb"(?!\w)", tree.of(statement)):
        return True
    return text.startswith(b"self.") and bool(re.search(rb"\bself\.\w+\(", tree.of(statement)))


def _binds(tree: SourceTree, statement: Node, place_: Node) -> bool:
    start = place(place_)
    pattern = field(statement, "pattern")
    if pattern is None or start is None:
        return False
    return bool(tree.uses(tree.of(start), pattern.start_byte, pattern.end_byte))


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
                yield swap(tree, first, second)
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
        if owner is None or _binds(tree, first, owner):
            continue
        changed = changed_places(tree.of(first))
        if any(each.split(b".")[0] == tree.of(owner) for each in changed):
            yield swap(tree, first, second)


def change_in_closure(tree: SourceTree) -> Iterator[Change]:
    """Put a change into a closure, look at the value, and only then call the closure."""
    for first, second in statement_pairs(tree):
        if first.type != "expression_statement" or not tree.of(first).endswith(b";"):
            continue
        if len(tree.of(first)) > 300 or any(True for _ in walk(first, *_JUMPS)):
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
        if owner is not None and _is_place(owner):
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


def name_receiver(tree: SourceTree) -> Iterator[Change]:
    """Name the borrow of a call that reads the same value: `v.push(v.len())` through `r`."""
    for call in tree.methods(b"push", b"insert", b"push_str", b"extend_from_slice", b"resize"):
        receiver, parent = call.receiver, call.node.parent
        if not _is_place(receiver) or parent is None or parent.type != "expression_statement":
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
        if left is None or right is None or not _is_place(left):
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
