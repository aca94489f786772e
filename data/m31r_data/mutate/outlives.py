"""References to what is gone: to locals, to temporaries, to what a block ended."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from m31r_core.repair.source import field, walk
from m31r_data.mutate.locals import bindings, owns
from m31r_data.mutate.places import LENDING, borrowed_variable, is_place
from m31r_data.mutate.tree import Change, SourceTree, arguments, insert, replace

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
    for let, value in _looked_at(tree):
        indent = b"\n" + tree.source.indent(let.start_byte).encode()
        block = b"{" + indent + b"    let value = " + tree.of(value) + b";" + indent
        yield replace(value, block + b"    &value" + indent + b"}")


def declare_outside(tree: SourceTree) -> Iterator[Change]:
    """Keep a reference longer than the block that it points into: `let x; { …; x = &value; }`."""
    for let, value in _looked_at(tree):
        name = tree.of(field(let, "pattern"))
        indent = b"\n" + tree.source.indent(let.start_byte).encode()
        inner = indent + b"    let value = " + tree.of(value) + b";"
        inner += indent + b"    " + name + b" = &value;"
        yield replace(let, b"let " + name + b";" + indent + b"{" + inner + indent + b"}")


def _looked_at(tree: SourceTree) -> Iterator[tuple[Node, Node]]:
    """Yield bindings, and their values, for which a reference would do as well."""
    for let, name, value, after in bindings(tree):
        plain = value.type == "call_expression" and not tree.of(value).startswith((b"Some", b"Ok"))
        if not plain and value.type not in ("macro_invocation", "struct_expression"):
            continue
        if not after or tree.of(let).startswith(b"let mut ") or field(let, "type") is not None:
            continue
        uses = tree.uses(name, let.end_byte, after[-1].end_byte)
        if not uses or not all(_is_looked_at(use) for use in uses) or len(tree.of(value)) > 300:
            continue
        yield let, value


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


def lend_from_clone(tree: SourceTree) -> Iterator[Change]:
    """Borrow from a copy that nothing keeps: `let x = v.iter();` to `let x = v.clone().iter();`."""
    for let, name, value, after in bindings(tree):
        if not after or not tree.uses(name, let.end_byte, after[-1].end_byte):
            continue
        for call in walk(value, "call_expression"):
            function = field(call, "function")
            receiver, method = field(function, "value"), field(function, "field")
            if receiver is None or not is_place(receiver) or receiver.type == "self":
                continue
            if LENDING.fullmatch(tree.of(method)) and not tree.of(method).endswith(b"_mut"):
                yield insert(receiver.end_byte, b".clone()")
                break


def _lent_on(tree: SourceTree) -> Iterator[tuple[Node, Node, Node, Node]]:
    """Yield `let a = …; let b = … a …;` where only b is needed later.

    That is: the first `let`, its value, the second `let`, its use of the name.
    """
    for let, name, value, after in bindings(tree):
        seconds = [each for each in after[:4] if each.type == "let_declaration"]
        uses = tree.uses(name, let.end_byte, after[-1].end_byte) if seconds else []
        if len(uses) != 1 or value.type in ("identifier", "field_expression", "integer_literal"):
            continue
        second = next((each for each in seconds if uses[0].end_byte <= each.end_byte), None)
        if second is None or uses[0].start_byte < second.start_byte:
            continue
        if tree.of(let).startswith(b"let mut ") and not owns(tree, value):
            continue
        yield let, value, second, uses[0]


def inline_temporary(tree: SourceTree) -> Iterator[Change]:
    """Borrow from a temporary: `let a = f(); let b = a.g();` to `let b = f().g();`."""
    for let, value, second, use in _lent_on(tree):
        if borrowed_variable(tree, field(second, "value") or second) is None and not _calls(
            tree, use
        ):
            continue
        between = tree.text[let.end_byte : second.start_byte].lstrip()
        before = tree.text[second.start_byte : use.start_byte]
        after = tree.text[use.end_byte : second.end_byte]
        new = between + before + tree.of(value) + after
        yield Change(let.start_byte, second.end_byte, new)


def _calls(tree: SourceTree, use: Node) -> bool:
    """Whether something is lent from a variable here: by reference, or by a method that lends."""
    parent = use.parent
    if parent is not None and parent.type == "field_expression":
        return bool(LENDING.fullmatch(tree.of(field(parent, "field"))))
    return parent is not None and parent.type == "reference_expression"


def lend_from_loop(tree: SourceTree) -> Iterator[Change]:
    """Collect references to what lives for one round of a loop: `v.push(x)` to `v.push(&x)`."""
    for call in tree.methods(b"push", b"insert", b"push_back", b"extend", b"send"):
        for given in call.arguments[-1:]:
            if given.type == "identifier" or (given.type == "call_expression" and arguments(given)):
                yield insert(given.start_byte, b"&")
