"""References that a function or a closure returns to what ends with it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from m31r_core.repair.source import field, walk
from m31r_data.mutate.outlives import view_of
from m31r_data.mutate.tree import Change, SourceTree, arguments, code, insert, replace

_LENT = re.compile(rb"&|'\w|\bIter\b|\bCow\b")

_VIEWS = (
    b"as_str", b"as_ref", b"as_slice", b"iter", b"as_bytes", b"as_deref", b"trim", b"chars",
    b"keys", b"values", b"get", b"first", b"last", b"split", b"lines", b"as_path", b"borrow",
)  # fmt: skip


def results(tree: SourceTree) -> Iterator[tuple[Node, Node]]:
    """Yield (function, expression) for what functions return at their end and by `return`."""
    for function in tree.nodes("function_item"):
        body = field(function, "body")
        statements = code(body)
        if statements and statements[-1].type not in ("let_declaration", "expression_statement"):
            yield function, statements[-1]
        for returned in walk(body, "return_expression") if body is not None else []:
            value = code(returned)
            if value:
                yield function, value[0]


def return_view_of_clone(tree: SourceTree) -> Iterator[Change]:
    """Return a reference to a copy: `&self.name` to `&self.name.clone()`."""
    for function, result in results(tree):
        if not _LENT.search(tree.of(field(function, "return_type"))):
            continue
        for node in walk(result, "reference_expression", "call_expression"):
            if node.type == "reference_expression":
                value = field(node, "value")
                if value is not None and value.type in ("field_expression", "index_expression"):
                    yield insert(value.end_byte, b".clone()")
            else:
                receiver = field(field(node, "function"), "value")
                name = tree.of(field(field(node, "function"), "field"))
                if receiver is not None and name in _VIEWS and receiver.type == "field_expression":
                    yield insert(receiver.end_byte, b".clone()")


def return_reference(tree: SourceTree) -> Iterator[Change]:
    """Return a reference to what the function made: `-> String { … s }` to `-> &str { … &s }`."""
    views = ((b"String", b"str"), (b"PathBuf", b"Path"))
    for function in tree.nodes("function_item"):
        type_, body = field(function, "return_type"), field(function, "body")
        statements = code(body)
        if (
            type_ is None
            or not statements
            or statements[-1].type
            not in ("identifier", "call_expression", "macro_invocation", "struct_expression")
        ):
            continue
        text = tree.of(type_)
        vector = re.fullmatch(rb"Vec<(.*)>", text, re.S)
        view = b"[" + vector[1] + b"]" if vector else dict(views).get(text, b"")
        if not view:
            continue
        lent = tree.of(field(function, "parameters")).count(b"&") == 1
        new = (b"&" if lent else b"&'static ") + view
        result = statements[-1]
        middle = tree.text[type_.end_byte : result.start_byte]
        yield Change(type_.start_byte, result.end_byte, new + middle + b"&" + tree.of(result))


def return_view(tree: SourceTree) -> Iterator[Change]:
    """Return a view of a temporary from a closure: `|x| x.to_string()` to `….as_str()`."""
    for closure in tree.nodes("closure_expression"):
        body = field(closure, "body")
        if body is not None and body.type == "block":
            body = code(body)[-1] if code(body) else None
        if body is None or body.type not in ("call_expression", "macro_invocation"):
            continue
        view = view_of(tree.of(body))
        if view and view != b".iter()":
            yield insert(body.end_byte, view)


def reference_from_closure(tree: SourceTree) -> Iterator[Change]:
    """Return a reference to what a closure was given or made: `|x| f(x)` to `|x| &f(x)`."""
    for closure in tree.nodes("closure_expression"):
        body = field(closure, "body")
        parent = closure.parent
        if body is None or parent is None or parent.type != "arguments":
            continue
        call = tree.of(field(parent.parent, "function"))
        if not call.endswith((b".map", b".filter_map", b".and_then", b".max_by_key", b".map_or")):
            continue
        if body.type in ("call_expression", "struct_expression", "macro_invocation"):
            yield insert(body.start_byte, b"&")


def return_view_of_text(tree: SourceTree) -> Iterator[Change]:
    """Return a reference to a new text or list: `-> &str { &x.to_string() }`."""
    makers = {b"str": b".to_string()", b"Path": b".to_path_buf()"}
    for function, result in results(tree):
        type_ = re.fullmatch(
            rb"(?:Option<|Cow<'\w+, |Result<)?&?\s*(?:'\w+ )?(str|Path|\[.*\])(?:>|, .*>)?",
            tree.of(field(function, "return_type")),
            re.S,
        )
        if not type_:
            continue
        maker = makers.get(type_[1], b".to_vec()")
        for leaf in leaves(result):
            value = leaf
            if leaf.type == "call_expression":
                wrapper = tree.of(field(leaf, "function"))
                if wrapper in (b"Some", b"Ok", b"Cow::Borrowed") and len(arguments(leaf)) == 1:
                    value = arguments(leaf)[0]
            kinds = ("call_expression", "identifier", "field_expression", "string_literal")
            if value.type == "reference_expression":
                inner = field(value, "value")
                if inner is not None and b"mut" not in tree.of(value)[:5]:
                    yield insert(inner.end_byte, maker)
            elif value.type in kinds and tree.of(value) not in (b"None", b"Err"):
                yield replace(value, b"&" + tree.of(value) + maker)


def leaves(result: Node) -> Iterator[Node]:
    """Yield the expressions that a value comes from: the arms of a match, the ends of blocks."""
    if result.type == "match_expression":
        for arm in code(field(result, "body")):
            value = field(arm, "value")
            if value is not None:
                yield from leaves(value)
    elif result.type == "if_expression":
        for each in (field(result, "consequence"), field(result, "alternative")):
            if each is not None:
                yield from leaves(each)
    elif result.type in ("block", "else_clause"):
        if code(result):
            yield from leaves(code(result)[-1])
    else:
        yield result


def return_iterator(tree: SourceTree) -> Iterator[Change]:
    """Return an iterator that borrows from a local: `v.into_iter()` to `v.iter()`."""
    for _, result in results(tree):
        for call in walk(result, "call_expression"):
            function = field(call, "function")
            receiver, name = field(function, "value"), field(function, "field")
            if receiver is None or name is None or tree.of(name) != b"into_iter":
                continue
            if receiver.type == "identifier":
                yield replace(name, b"iter")


def borrow_argument(tree: SourceTree) -> Iterator[Change]:
    """Build a value from a reference to a local: `Some(x)` to `Some(&x)` where it is returned."""
    for function, result in results(tree):
        lent = _LENT.search(tree.of(field(function, "return_type")))
        if not lent or result.type != "call_expression":
            continue
        for given in arguments(result):
            if given.type == "call_expression" and not tree.is_macro(given):
                yield replace(given, b"&" + tree.of(given))
