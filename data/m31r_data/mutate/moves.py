"""Values given away too early, twice, or out of what is only borrowed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from m31r_core.repair.source import field, needs_parentheses, walk
from m31r_data.mutate.locals import (
    declaration,
    function_body,
    is_copied,
    is_owned,
    is_reference,
    used_later,
)
from m31r_data.mutate.places import place
from m31r_data.mutate.tree import Change, SourceTree, arguments, around, code, replace

_OF_OPTIONS = (
    b"unwrap",
    b"expect",
    b"map",
    b"map_or",
    b"map_or_else",
    b"and_then",
    b"unwrap_or",
    b"unwrap_or_else",
    b"ok_or",
    b"ok_or_else",
    b"filter",
    b"is_some_and",
    b"into_iter",
)
_STORED = ("field_expression", "index_expression")


def drop_clone(tree: SourceTree) -> Iterator[Change]:
    """Give the value away instead of a clone: `f(x.clone())` to `f(x)`, x used later."""
    for call in tree.methods(b"clone", b"to_owned", b"to_vec", b"to_string"):
        name = call.receiver
        if (
            (
                name.type == "identifier"
                and not call.arguments
                and used_later(tree, tree.of(name), call.node)
            )
            and not is_copied(tree, name)
            and not is_reference(tree, name)
        ):
            yield Change(name.end_byte, call.node.end_byte, b"")


def drop_field_clone(tree: SourceTree) -> Iterator[Change]:
    """Move out of a field: `self.name.clone()` to `self.name`."""
    for call in tree.methods(b"clone"):
        if call.receiver.type == "field_expression" and not call.arguments:
            yield Change(call.receiver.end_byte, call.node.end_byte, b"")


def drop_index_clone(tree: SourceTree) -> Iterator[Change]:
    """Move out of an index: `v[i].clone()` to `v[i]`."""
    for call in tree.methods(b"clone"):
        if call.receiver.type == "index_expression" and not call.arguments:
            yield Change(call.receiver.end_byte, call.node.end_byte, b"")


def drop_pointer_clone(tree: SourceTree) -> Iterator[Change]:
    """Hand out the only pointer: `Arc::clone(&x)` to `x`."""
    for call in tree.calls():
        if re.fullmatch(rb"(Rc|Arc|std::\w+::A?rc)::clone", tree.of(field(call, "function"))):
            given = arguments(call)
            if len(given) == 1 and given[0].type == "reference_expression":
                yield replace(call, tree.of(field(given[0], "value")))


def consume_in_loop(tree: SourceTree) -> Iterator[Change]:
    """Loop over the collection itself: `for x in &v`, `v.iter()` to `for x in v`, v used later."""
    for loop in tree.nodes("for_expression"):
        value = field(loop, "value")
        if value is None:
            continue
        inner = field(value, "value")
        if value.type == "call_expression":
            function = field(value, "function")
            if tree.of(field(function, "field")) in (b"iter", b"iter_mut"):
                inner = field(function, "value")
        if inner is None or value.type not in ("reference_expression", "call_expression"):
            continue
        if inner.type in _STORED or (
            inner.type == "identifier" and used_later(tree, tree.of(inner), value)
        ):
            yield replace(value, tree.of(inner))


def into_iter(tree: SourceTree) -> Iterator[Change]:
    """Take the items out: `.iter()` to `.into_iter()`."""
    for call in tree.methods(b"iter", b"iter_mut", b"drain"):
        receiver = call.receiver
        if receiver.type == "field_expression" or (
            receiver.type == "identifier"
            and is_owned(tree, receiver)
            and used_later(tree, tree.of(receiver), call.node)
        ):
            yield Change(call.name.start_byte, call.node.end_byte, b"into_iter()")


def drop_as_ref(tree: SourceTree) -> Iterator[Change]:
    """Open an option that is only borrowed: `.as_ref().map(…)` to `.map(…)`."""
    for call in tree.methods(b"as_ref", b"as_mut", b"as_deref", b"as_deref_mut"):
        parent = call.node.parent
        opened = parent is not None and (
            tree.of(field(parent, "field")) in _OF_OPTIONS
            or parent.type in ("let_condition", "match_expression")
        )
        if opened and not call.arguments:
            yield Change(call.receiver.end_byte, call.node.end_byte, b"")


def drop_take(tree: SourceTree) -> Iterator[Change]:
    """Move an option out of a borrow: `self.next.take()` to `self.next`."""
    for call in tree.methods(b"take"):
        if not call.arguments and place(call.receiver) is not None:
            yield Change(call.receiver.end_byte, call.node.end_byte, b"")


def drop_mem_take(tree: SourceTree) -> Iterator[Change]:
    """Move out without leaving anything: `mem::take(&mut self.x)` to `self.x`."""
    for call in tree.calls():
        function = tree.of(field(call, "function"))
        if re.search(rb"(^|\bmem::)(take|replace)$", function):
            given = arguments(call)
            if given and given[0].type == "reference_expression":
                yield replace(call, tree.of(field(given[0], "value")))


def add_move(tree: SourceTree) -> Iterator[Change]:
    """Let a closure take what is needed later: `|x| …` to `move |x| …`."""
    for closure in tree.nodes("closure_expression"):
        if tree.of(closure).startswith((b"move", b"async", b"static")):
            continue
        body = field(closure, "body")
        for name in [] if body is None else walk(body, "identifier"):
            outer = function_body(closure)
            if (
                outer is not None
                and declaration(tree, name) is not None
                and not is_copied(tree, name)
                and not is_reference(tree, name)
                and tree.uses(tree.of(name), closure.end_byte, outer.end_byte)
            ):
                yield Change(closure.start_byte, closure.start_byte, b"move ")
                break


def move_out_of_borrow(tree: SourceTree) -> Iterator[Change]:
    """Bind the thing instead of a reference: `let x = &self.x;` to `let x = self.x;`."""
    for let in tree.nodes("let_declaration"):
        value, pattern = field(let, "value"), field(let, "pattern")
        if value is None or value.type != "reference_expression" or pattern is None:
            continue
        inner = field(value, "value")
        if inner is not None and inner.type in _STORED and pattern.type == "identifier":
            yield replace(value, tree.of(inner))


def dereference_to_move(tree: SourceTree) -> Iterator[Change]:
    """Take what a reference points to: `&*x` to `*x`, `&**x` to `**x`."""
    for reference in tree.nodes("reference_expression"):
        value = field(reference, "value")
        if value is not None and tree.of(value).startswith(b"*"):
            parent = reference.parent
            if parent is not None and parent.type in (
                "let_declaration",
                "match_expression",
                "arguments",
            ):
                yield replace(reference, tree.of(value))


def loop_over_iterator(tree: SourceTree) -> Iterator[Change]:
    """Loop over what is needed later: `while let Some(x) = it.next()` to `for x in it`."""
    for loop in tree.nodes("while_expression"):
        condition = field(loop, "condition")
        pattern, value = field(condition, "pattern"), field(condition, "value")
        if condition is None or pattern is None or value is None:
            continue
        if condition.type != "let_condition" or not tree.of(value).endswith(b".next()"):
            continue
        inside = code(pattern)
        if pattern.type == "tuple_struct_pattern" and len(inside) == 2:
            iterator = tree.of(value).removesuffix(b".next()")
            new = b"for " + tree.of(inside[1]) + b" in " + iterator
            yield Change(loop.start_byte, condition.end_byte, new)


def drop_by_ref(tree: SourceTree) -> Iterator[Change]:
    """Give an iterator or reader away that is only lent: `it.by_ref().take(n)` to `it.take(n)`."""
    for call in tree.methods(b"by_ref"):
        yield Change(call.receiver.end_byte, call.node.end_byte, b"")


def drop_reborrow(tree: SourceTree) -> Iterator[Change]:
    """Give a mutable reference away instead of lending it on: `&mut *x` to `x`."""
    for reference in tree.nodes("reference_expression"):
        match = re.fullmatch(rb"&mut \*(\w+)", tree.of(reference))
        if match:
            yield replace(reference, match[1])


def copy_by_assignment(tree: SourceTree) -> Iterator[Change]:
    """Take a second name for a copy: `let old = x;` before a statement that still uses x."""
    for statement in tree.nodes("expression_statement"):
        inner = code(statement)[0] if code(statement) else None
        function = field(inner, "function")
        name = field(function, "value")
        if inner is None or name is None or name.type != "identifier":
            continue
        if (
            inner.type != "call_expression"
            or function is None
            or function.type != "field_expression"
        ):
            continue
        if not is_owned(tree, name) or tree.uses(b"old", 0, len(tree.text)):
            continue
        indent = b"\n" + tree.source.indent(statement.start_byte).encode()
        line = b"let old = " + tree.of(name) + b";" + indent
        yield Change(statement.start_byte, statement.start_byte, line)


def drop_copy(tree: SourceTree) -> Iterator[Change]:
    """Use a type as if it were `Copy`: `#[derive(Clone, Copy)]` to `#[derive(Clone)]`."""
    for attribute in tree.attributes():
        match = re.match(rb"#\[derive\(.*?(\bCopy, |, Copy\b)", tree.of(attribute), re.S)
        if match:
            start = attribute.start_byte
            yield Change(start + match.start(1), start + match.end(1), b"")


def drop_move(tree: SourceTree) -> Iterator[Change]:
    """Let a closure that leaves the function only borrow: `move |x| …` to `|x| …`."""
    for closure in tree.nodes("closure_expression", "async_block"):
        text = tree.of(closure)
        if b"move" not in text[:12] or not _escapes(tree, closure):
            continue
        place_ = text.index(b"move")
        start = closure.start_byte + place_
        yield Change(start, start + len(b"move "), b"")


def _escapes(tree: SourceTree, closure: Node) -> bool:
    """Whether the closure is likely to outlive the function that makes it."""
    parent = closure.parent
    if parent is not None and parent.type == "arguments":
        function = tree.of(field(parent.parent, "function"))
        if re.search(rb"\b(spawn\w*|Box::new|Rc::new|Arc::new|Box::pin)$", function):
            return True
    function_item = around(closure, "function_item")
    return bool(re.search(rb"\bimpl\b|\bdyn\b|Box<", tree.of(field(function_item, "return_type"))))


def wrap(tree: SourceTree, node: Node) -> bytes:
    """Return the text of an expression such that something may be put on it."""
    text = tree.of(node)
    return b"(" + text + b")" if needs_parentheses(node) else text
