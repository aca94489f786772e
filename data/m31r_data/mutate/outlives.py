"""References to what is gone: to locals, to temporaries, to what a block ended."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from m31r_core.repair.source import field, walk
from m31r_data.mutate.locals import bindings, owns
from m31r_data.mutate.places import LENDING, borrowed_variable
from m31r_data.mutate.tree import Change, SourceTree, arguments, code, insert, replace

_LENT = re.compile(rb"&|'\w|\bIter\b|\bCow\b")
_VIEWS = (
    b"as_str", b"as_ref", b"as_slice", b"iter", b"as_bytes", b"as_deref", b"trim", b"chars",
    b"keys", b"values", b"get", b"first", b"last", b"split", b"lines", b"as_path", b"borrow",
)  # fmt: skip
_VIEW_OF: tuple[tuple[re.Pattern[bytes], bytes], ...] = (
    (
        re.compile(rb"(\.to_string\(\)|^format!.*|^String::from\(.*\)|\.into_owned\(\))$", re.S),
        b".as_str()",
    ),
    (re.compile(rb"(\.to_vec\(\)|^vec!.*|\.collect::<Vec<.*>>\(\))$", re.S), b".as_slice()"),
    (re.compile(rb"\.(join|concat)\([^()]*\)$"), b".as_ref()"),
    (re.compile(rb"\.to_path_buf\(\)$"), b".as_path()"),
    (re.compile(rb"\.to_owned\(\)$"), b".as_ref()"),
    (re.compile(rb"\.(clone|unwrap|collect)\(\)$"), b".iter()"),
    (re.compile(rb"^(Some|Box::new)\(.*\)$", re.S), b".as_ref()"),
)


def view_of(text: bytes) -> bytes:
    """Return the method call that borrows from an owned value written like this, or nothing."""
    return next((view for pattern, view in _VIEW_OF if pattern.search(text)), b"")


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


def view_of_temporary(tree: SourceTree) -> Iterator[Change]:
    """Bind a view of a temporary: `let s = x.to_string();` to `let s = x.to_string().as_str();`."""
    for let, name, value, after in bindings(tree):
        text = tree.of(value)
        view = view_of(text)
        mutable = tree.of(let).startswith(b"let mut ")
        if (
            view
            and after
            and not mutable
            and field(let, "type") is None
            and tree.uses(name, let.end_byte, after[-1].end_byte)
        ):
            yield insert(value.end_byte, view)


def reference_from_block(tree: SourceTree) -> Iterator[Change]:
    """Bind a reference to what a block ends with: `let x = { let value = f(); &value };`."""
    for let, name, value, after in bindings(tree):
        plain = value.type == "call_expression" and not tree.of(value).startswith((b"Some", b"Ok"))
        if not plain and value.type not in ("macro_invocation", "struct_expression"):
            continue
        if not after or tree.of(let).startswith(b"let mut ") or field(let, "type") is not None:
            continue
        uses = tree.uses(name, let.end_byte, after[-1].end_byte)
        if not uses or not all(_is_looked_at(use) for use in uses) or len(tree.of(value)) > 300:
            continue
        indent = b"\n" + tree.source.indent(let.start_byte).encode()
        block = b"{" + indent + b"    let value = " + tree.of(value) + b";" + indent
        yield replace(value, block + b"    &value" + indent + b"}")


def _is_looked_at(use: Node) -> bool:
    """Whether a variable stands where a reference to it would do as well."""
    parent = use.parent
    if parent is None:
        return False
    if parent.type == "field_expression":
        value = field(parent, "value")
        return value is not None and value.id == use.id
    return parent.type == "reference_expression" and b"mut" not in (parent.text or b"")[:5]


def borrow_in_let(tree: SourceTree) -> Iterator[Change]:
    """Bind what a temporary lends: `let x = f(); x.iter()` to `let x = f().iter(); x`."""
    for let, name, value, after in bindings(tree):
        if not after or tree.of(let).startswith(b"let mut ") or field(let, "type") is not None:
            continue
        uses = tree.uses(name, let.end_byte, after[-1].end_byte)
        if len(uses) != 1 or value.type not in (
            "call_expression",
            "macro_invocation",
            "await_expression",
        ):
            continue
        method = uses[0].parent
        call = None if method is None else method.parent
        if (
            method is None
            or call is None
            or method.type != "field_expression"
            or tree.is_macro(call)
        ):
            continue
        if call.type != "call_expression" or not LENDING.fullmatch(tree.of(field(method, "field"))):
            continue
        if len(arguments(call)) > 1 or call.end_byte - let.start_byte > 600:
            continue
        lent = tree.text[uses[0].end_byte : call.end_byte]
        middle = tree.text[value.end_byte : uses[0].start_byte]
        yield Change(value.start_byte, call.end_byte, tree.of(value) + lent + middle + name)


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


def _lent_on(tree: SourceTree) -> Iterator[tuple[Node, bytes, Node, Node, Node]]:
    """Yield `let a = …; let b = … a …;` where only b is needed later, and b borrows from a.

    That is: the first `let`, its name, its value, the second `let`, its use of the name.
    """
    for let, name, value, after in bindings(tree):
        if not after or after[0].type != "let_declaration" or len(after) < 2:
            continue
        second = after[0]
        lent = field(second, "value")
        if lent is None or tree.uses(name, second.end_byte, after[-1].end_byte):
            continue
        uses = tree.uses(name, lent.start_byte, lent.end_byte)
        if len(uses) != 1 or value.type in ("identifier", "field_expression", "integer_literal"):
            continue
        if tree.of(let).startswith(b"let mut ") and not owns(tree, value):
            continue
        if tree.text[let.end_byte : second.start_byte].strip():
            continue
        yield let, name, value, second, uses[0]


def inline_temporary(tree: SourceTree) -> Iterator[Change]:
    """Borrow from a temporary: `let a = f(); let b = a.g();` to `let b = f().g();`."""
    for let, _, value, second, use in _lent_on(tree):
        if borrowed_variable(tree, field(second, "value") or second) is None and not _calls(
            tree, use
        ):
            continue
        before = tree.text[second.start_byte : use.start_byte]
        after = tree.text[use.end_byte : second.end_byte]
        yield Change(let.start_byte, second.end_byte, before + tree.of(value) + after)


def _calls(tree: SourceTree, use: Node) -> bool:
    """Whether something is lent from a variable here: by reference, or by a method that lends."""
    parent = use.parent
    if parent is not None and parent.type == "field_expression":
        return bool(LENDING.fullmatch(tree.of(field(parent, "field"))))
    return parent is not None and parent.type == "reference_expression"


def end_block_early(tree: SourceTree) -> Iterator[Change]:
    """Let a block end before what it lent is used: `let b = { let a = f(); a.g() };`."""
    for let, _, _, second, use in _lent_on(tree):
        value = field(second, "value")
        if value is None or not (_calls(tree, use) or borrowed_variable(tree, value)):
            continue
        indent = tree.source.indent(let.start_byte).encode()
        inner = b"\n" + indent + b"    "
        head = tree.text[second.start_byte : value.start_byte]
        block = b"{" + inner + tree.of(let) + inner + tree.of(value) + b"\n" + indent + b"}"
        tail = tree.text[value.end_byte : second.end_byte]
        yield Change(let.start_byte, second.end_byte, head + block + tail)


def declare_outside(tree: SourceTree) -> Iterator[Change]:
    """Keep a reference longer than the block that it points into: `let b; { …; b = &a; }`."""
    for let, _, _, second, use in _lent_on(tree):
        value, pattern = field(second, "value"), field(second, "pattern")
        if value is None or pattern is None or pattern.type != "identifier":
            continue
        if not (_calls(tree, use) or borrowed_variable(tree, value)):
            continue
        indent = tree.source.indent(let.start_byte).encode()
        inner = b"\n" + indent + b"    "
        head = tree.text[second.start_byte : value.start_byte].rstrip(b"= \n")
        assigned = tree.of(pattern) + b" = " + tree.of(value) + b";"
        block = b"{" + inner + tree.of(let) + inner + assigned + b"\n" + indent + b"}"
        yield Change(let.start_byte, second.end_byte, head + b";\n" + indent + block)


def lend_from_loop(tree: SourceTree) -> Iterator[Change]:
    """Collect references to what lives for one round of a loop: `v.push(x)` to `v.push(&x)`."""
    for call in tree.methods(b"push", b"insert", b"push_back", b"extend", b"send"):
        for given in call.arguments[-1:]:
            if given.type == "identifier" or (given.type == "call_expression" and arguments(given)):
                yield insert(given.start_byte, b"&")


def borrow_argument(tree: SourceTree) -> Iterator[Change]:
    """Build a value from a reference to a local: `Some(x)` to `Some(&x)` where it is returned."""
    for function, result in results(tree):
        lent = _LENT.search(tree.of(field(function, "return_type")))
        if not lent or result.type != "call_expression":
            continue
        for given in arguments(result):
            if given.type == "call_expression" and not tree.is_macro(given):
                yield replace(given, b"&" + tree.of(given))
