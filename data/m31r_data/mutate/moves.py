"""Values given away too early, twice, or out of what is only borrowed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from m31r_core.repair.source import field, needs_parentheses, walk
from m31r_data.mutate.locals import (
    function_body,
    is_copied,
    is_given_away,
    is_owned,
    place,
    statement_pairs,
    used_later,
)
from m31r_data.mutate.tree import Change, SourceTree, arguments, around, child, code, replace

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
            and not _is_reference(tree, name)
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
    """Loop over the collection itself: `for x in &v` to `for x in v`, v used later."""
    for loop in tree.nodes("for_expression"):
        value = field(loop, "value")
        if value is None or value.type != "reference_expression":
            continue
        inner = field(value, "value")
        if inner is None:
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
        if parent is not None and parent.type == "field_expression" and not call.arguments:
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


def move_before_use(tree: SourceTree) -> Iterator[Change]:
    """Put the statement that takes a variable before the one that looks at it."""
    for first, second in statement_pairs(tree):
        for moved in walk(second, "identifier"):
            name = tree.of(moved)
            if not is_given_away(moved) or is_copied(tree, moved):
                continue
            looks = tree.uses(name, first.start_byte, first.end_byte)
            if looks and not any(is_given_away(use) or _is_bound(use) for use in looks):
                yield swap(tree, first, second)
                break


def take_in_wrong_order(tree: SourceTree) -> Iterator[Change]:
    """Fill a struct's fields in another order: `S { n: v.len(), v }` to `S { v, n: v.len() }`."""
    for body in tree.nodes("field_initializer_list"):
        fields = [each for each in code(body) if each.type != "base_field_initializer"]
        for place_, later in enumerate(fields):
            value = field(later, "value") or child(later, "identifier")
            if value is None or value.type != "identifier" or is_copied(tree, value):
                continue
            for earlier in fields[:place_]:
                uses = tree.uses(tree.of(value), earlier.start_byte, earlier.end_byte)
                if uses and not any(is_given_away(use) for use in uses):
                    yield swap(tree, earlier, later)
                    break


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
                and is_owned(tree, name)
                and tree.uses(tree.of(name), closure.end_byte, outer.end_byte)
            ):
                yield Change(closure.start_byte, closure.start_byte, b"move ")
                break


def hoist_out_of_loop(tree: SourceTree) -> Iterator[Change]:
    """Make a value once, before the loop that gives it away each time."""
    for loop in tree.nodes("for_expression", "while_expression", "loop_expression"):
        block, statement = field(loop, "body"), loop.parent
        if statement is None or statement.type != "expression_statement":
            continue
        for let in code(block)[:4] if block is not None else []:
            pattern, value = field(let, "pattern"), field(let, "value")
            if let.type != "let_declaration" or pattern is None or value is None:
                continue
            if pattern.type != "identifier" or field(let, "alternative") is not None:
                continue
            own = {
                tree.of(name)
                for name in walk(loop, "identifier")
                if name.start_byte < let.start_byte and _is_bound(name)
            }
            header = field(loop, "pattern") or field(loop, "condition")
            own |= {tree.of(name) for name in walk(header, "identifier")} if header else set()
            if own & {tree.of(name) for name in walk(value, "identifier")}:
                continue
            uses = tree.uses(tree.of(pattern), let.end_byte, loop.end_byte)
            if any(is_given_away(use) for use in uses) and not is_copied(tree, uses[0]):
                yield _lift(tree, let, statement)
                break


def _lift(tree: SourceTree, statement: Node, to: Node) -> Change:
    indent = tree.source.indent(to.start_byte).encode()
    end = tree.source.line_end(statement.end_byte)
    start = tree.source.line_start(statement.start_byte)
    if (
        tree.text[start : statement.start_byte].strip()
        or tree.text[statement.end_byte : end].strip()
    ):
        start, end = statement.start_byte, statement.end_byte
    before = tree.text[to.start_byte : start]
    return Change(to.start_byte, end, tree.of(statement) + b"\n" + indent + before)


def drop_ref_pattern(tree: SourceTree) -> Iterator[Change]:
    """Bind by value: `Some(ref x)` to `Some(x)`."""
    for pattern in tree.nodes("ref_pattern"):
        inner = code(pattern)
        if inner:
            yield replace(pattern, tree.of(inner[-1]))


def match_by_value(tree: SourceTree) -> Iterator[Change]:
    """Match on what is borrowed: `match &self.x` to `match self.x`, the same for `if let`."""
    for each in tree.nodes("match_expression", "let_condition", "let_declaration"):
        value = field(each, "value")
        if value is None or value.type != "reference_expression":
            continue
        inner = field(value, "value")
        pattern = field(each, "pattern")
        if inner is None or (
            each.type == "let_declaration" and (pattern is None or pattern.type == "identifier")
        ):
            continue
        if inner.type in _STORED or (
            inner.type == "identifier" and used_later(tree, tree.of(inner), each)
        ):
            yield replace(value, tree.of(inner))


def match_on_star(tree: SourceTree) -> Iterator[Change]:
    """Match on what a reference points to: `match self` to `match *self` binding by value."""
    for each in tree.nodes("match_expression", "let_condition"):
        value = field(each, "value")
        if value is not None and value.type in ("self", "identifier"):
            if each.type == "let_condition" and b"(" not in tree.of(field(each, "pattern")):
                continue
            yield replace(value, b"*" + tree.of(value))


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


def drop_early(tree: SourceTree) -> Iterator[Change]:
    """Give a value back while a reference to it is still needed: put `drop(x);` between."""
    for first, second in statement_pairs(tree):
        pattern, value = field(first, "pattern"), field(first, "value")
        if pattern is None or value is None or pattern.type != "identifier":
            continue
        if not tree.uses(tree.of(pattern), second.start_byte, second.end_byte):
            continue
        owner = borrowed_variable(tree, value)
        if owner is None or owner.type == "self" or not is_owned(tree, owner):
            continue
        indent = tree.source.indent(second.start_byte).encode()
        line = b"drop(" + tree.of(owner) + b");\n" + indent
        yield Change(second.start_byte, second.start_byte, line)


def consume_while_borrowed(tree: SourceTree) -> Iterator[Change]:
    """Put the statement that takes a variable before the last use of a reference to it."""
    for first, second in statement_pairs(tree):
        body = function_body(first)
        for moved in walk(second, "identifier"):
            if body is None or not is_given_away(moved) or is_copied(tree, moved):
                continue
            name = tree.of(moved)
            if tree.uses(name, first.start_byte, first.end_byte):
                continue
            if any(_is_reference_to(tree, use, name) for use in walk(first, "identifier")):
                yield swap(tree, first, second)
                break


def _is_reference_to(tree: SourceTree, use: Node, name: bytes) -> bool:
    parent = use.parent
    if parent is not None and parent.type in ("let_declaration",) and not is_given_away(use):
        return False
    body = function_body(use)
    if body is None:
        return False
    for declared in tree.uses(tree.of(use), body.start_byte, use.start_byte):
        let = declared.parent
        if let is not None and let.type == "let_declaration" and _is_bound(declared):
            value = field(let, "value")
            owner = None if value is None else borrowed_variable(tree, value)
            if owner is not None and tree.of(owner) == name:
                return True
    return False


_LENDING = re.compile(
    rb"\.(iter|iter_mut|as_\w+|get|get_mut|borrow\w*|lock|chars|lines|bytes|split\w*|trim\w*|first|last"
    rb"|keys|values|path|deref|peek|windows|chunks\w*|entry)\([^()]*\)(\.unwrap\(\)|\?)?$"
)


def borrowed_variable(tree: SourceTree, value: Node) -> Node | None:
    """Return the variable that this expression is likely to borrow from."""
    if value.type == "reference_expression":
        return place(field(value, "value"))
    if _LENDING.search(tree.of(value)):
        return place(value)
    return None


def swap(tree: SourceTree, first: Node, second: Node) -> Change:
    """Exchange two nodes, the text between them stays."""
    between = tree.text[first.end_byte : second.start_byte]
    one, other = tree.of(first), tree.of(second)
    if (
        second.type not in ("let_declaration", "expression_statement", "field_initializer")
        and not other.rstrip().endswith((b";", b"}", b","))
        and first.type.endswith(("declaration", "statement"))
    ):
        other += b";"
    return Change(first.start_byte, second.end_byte, other + between + one)


def _is_bound(name: Node) -> bool:
    """Whether this identifier is the pattern of a `let`, a loop or a parameter."""
    parent = name.parent
    pattern = None
    if parent is not None and parent.type in ("let_declaration", "for_expression", "parameter"):
        pattern = field(parent, "pattern")
    return pattern is not None and pattern.id == name.id


def _is_reference(tree: SourceTree, name: Node) -> bool:
    function = around(name, "function_item")
    for parameter in code(field(function, "parameters")):
        if tree.of(field(parameter, "pattern")) == tree.of(name):
            return tree.of(field(parameter, "type")).startswith(b"&")
    return False


def wrap(tree: SourceTree, node: Node) -> bytes:
    """Return the text of an expression such that something may be put on it."""
    text = tree.of(node)
    return b"(" + text + b")" if needs_parentheses(node) else text
