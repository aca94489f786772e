"""Functions whose heads do not fit their bodies, their callers or their trait."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from m31r_core.repair.source import field
from m31r_data.mutate.tree import (
    Change,
    SourceTree,
    around,
    child,
    code,
    cut_from_list,
    insert,
    replace,
)


def _functions(tree: SourceTree, *, of_traits: bool) -> Iterator[Node]:
    for function in tree.nodes("function_item"):
        implementation = around(function, "impl_item", "trait_item")
        if (field(implementation, "trait") is not None) == of_traits:
            yield function


def drop_parameter(tree: SourceTree) -> Iterator[Change]:
    """Forget a parameter that the body or the callers need."""
    for function in _functions(tree, of_traits=False):
        parameters = [
            each for each in code(field(function, "parameters")) if each.type == "parameter"
        ]
        if parameters:
            yield cut_from_list(tree, parameters[-1])


def drop_trait_parameter(tree: SourceTree) -> Iterator[Change]:
    """Implement a trait's function with fewer parameters."""
    for function in _functions(tree, of_traits=True):
        parameters = [
            each for each in code(field(function, "parameters")) if each.type == "parameter"
        ]
        if parameters:
            yield cut_from_list(tree, parameters[-1])


def drop_self_parameter(tree: SourceTree) -> Iterator[Change]:
    """Use `self` in a function that does not take it."""
    for parameter in tree.nodes("self_parameter"):
        yield cut_from_list(tree, parameter)


def add_self_parameter(tree: SourceTree) -> Iterator[Change]:
    """Take `self` in a function that its callers or its trait use without a value."""
    for function in tree.nodes("function_item"):
        inside = field(function, "parameters")
        implementation = around(function, "impl_item")
        if inside is None or implementation is None or child(inside, "self_parameter"):
            continue
        yield insert(inside.start_byte + 1, b"&self, " if code(inside) else b"&self")


def own_self(tree: SourceTree) -> Iterator[Change]:
    """Let a method take the value away from its caller: `&self` to `self`."""
    for function in tree.nodes("function_item"):
        parameter = child(field(function, "parameters"), "self_parameter")
        if parameter is not None and tree.of(parameter) in (b"&self", b"&mut self"):
            mutable = b"mut self" if b"mut" in tree.of(parameter) else b"self"
            yield replace(parameter, mutable)


def trait_self(tree: SourceTree) -> Iterator[Change]:
    """Take `self` otherwise than the trait says: `&mut self` to `&self` and back."""
    for function in _functions(tree, of_traits=True):
        parameter = child(field(function, "parameters"), "self_parameter")
        if parameter is not None and tree.of(parameter) in (b"&self", b"&mut self"):
            yield replace(parameter, b"&mut self" if tree.of(parameter) == b"&self" else b"&self")


def own_parameter(tree: SourceTree) -> Iterator[Change]:
    """Ask for a value where callers give a reference: `x: &T` to `x: T`."""
    for parameter in tree.nodes("parameter"):
        type_ = field(parameter, "type")
        inner = field(type_, "type")
        if type_ is not None and inner is not None and type_.type == "reference_type":
            yield replace(type_, tree.of(inner))


def borrow_parameter(tree: SourceTree) -> Iterator[Change]:
    """Ask for a reference where callers give a value: `x: T` to `x: &T`."""
    for parameter in tree.nodes("parameter"):
        type_ = field(parameter, "type")
        if type_ is not None and type_.type in ("type_identifier", "generic_type"):
            yield insert(type_.start_byte, b"&")


def drop_result_type(tree: SourceTree) -> Iterator[Change]:
    """Forget to say what a function returns."""
    for function in tree.nodes("function_item"):
        type_, inside = field(function, "return_type"), field(function, "parameters")
        if type_ is not None and inside is not None:
            yield Change(inside.end_byte, type_.end_byte, b"")


def wrong_result_type(tree: SourceTree) -> Iterator[Change]:
    """Return the value itself, or wrapped, otherwise than the body does."""
    for function in tree.nodes("function_item"):
        type_ = field(function, "return_type")
        if type_ is None or type_.type == "abstract_type":
            continue
        text = tree.of(type_)
        if text.startswith(b"Option<"):
            yield replace(type_, b"Result" + text[len(b"Option") : -1] + b", ()>")
        elif text == b"bool":
            yield replace(type_, b"Option<bool>")
        elif text in (b"Self", b"String", b"usize", b"u32", b"u64", b"u8"):
            yield replace(type_, b"Option<" + text + b">")
        elif text.startswith(b"&") and type_.type == "reference_type":
            yield replace(type_, tree.of(field(type_, "type")))


def return_trait(tree: SourceTree) -> Iterator[Change]:
    """Return a trait object by value: `impl Trait` to `dyn Trait`, `Box<dyn T>` to `dyn T`."""
    for function in tree.nodes("function_item"):
        type_ = field(function, "return_type")
        match = re.match(rb"impl (.*)|Box<(dyn .*)>$", tree.of(type_), re.S)
        if type_ is not None and match:
            yield replace(type_, match[2] or b"dyn " + match[1])


def drop_unsafe(tree: SourceTree) -> Iterator[Change]:
    """Call what is unsafe without saying so: `unsafe { f() }` to `{ f() }`."""
    for block in tree.nodes("unsafe_block"):
        inside = child(block, "block")
        if inside is not None:
            yield Change(block.start_byte, inside.start_byte, b"")


def drop_unsafe_head(tree: SourceTree) -> Iterator[Change]:
    """Declare a function or an `impl` safe that is not: `unsafe fn` to `fn`."""
    for modifiers in tree.nodes("function_modifiers"):
        match = re.search(rb"\bunsafe\s*", tree.of(modifiers))
        if match:
            start = modifiers.start_byte
            end = start + match.end()
            yield Change(start + match.start(), end + (tree.text[end : end + 1] == b" "), b"")
    for implementation in tree.nodes("impl_item"):
        if tree.of(implementation).startswith(b"unsafe "):
            start = implementation.start_byte
            yield Change(start, start + len(b"unsafe "), b"")


def drop_const(tree: SourceTree) -> Iterator[Change]:
    """Call at compile time what is not `const`: `const fn` to `fn`."""
    for modifiers in tree.nodes("function_modifiers"):
        text = tree.of(modifiers)
        if text.startswith(b"const"):
            end = modifiers.start_byte + len(b"const")
            yield Change(modifiers.start_byte, end + 1, b"")


def add_const(tree: SourceTree) -> Iterator[Change]:
    """Promise to run at compile time what cannot: `fn new()` to `const fn new()`."""
    for function in tree.nodes("function_item"):
        keyword = child(function, "fn")
        if (
            keyword is not None
            and child(function, "function_modifiers") is None
            and len(tree.of(function)) < 600
        ):
            yield insert(keyword.start_byte, b"const ")


def drop_async(tree: SourceTree) -> Iterator[Change]:
    """Wait in a function that is not `async`."""
    for modifiers in tree.nodes("function_modifiers"):
        if tree.of(modifiers).startswith(b"async"):
            end = modifiers.start_byte + len(b"async")
            yield Change(modifiers.start_byte, end + 1, b"")
    for block in tree.nodes("async_block"):
        inside = child(block, "block")
        if inside is not None:
            yield Change(block.start_byte, inside.start_byte, b"")


def drop_await(tree: SourceTree) -> Iterator[Change]:
    """Use a future as if it were its value: `f().await` to `f()`."""
    for wait in tree.nodes("await_expression"):
        value = code(wait)
        if value:
            yield Change(value[0].end_byte, wait.end_byte, b"")


def make_inner_function(tree: SourceTree) -> Iterator[Change]:
    """Write a function where a closure is needed: `let f = |x: T| …;` to `fn f(x: T) { … }`."""
    for let in tree.nodes("let_declaration"):
        pattern, closure = field(let, "pattern"), field(let, "value")
        if pattern is None or closure is None or closure.type != "closure_expression":
            continue
        parameters, body = tree.of(field(closure, "parameters"))[1:-1], field(closure, "body")
        type_ = field(closure, "return_type")
        if body is None or pattern.type != "identifier" or len(tree.of(let)) > 600:
            continue
        if parameters.count(b":") < len(code(field(closure, "parameters"))):
            continue
        arrow = b" -> " + tree.of(type_) if type_ is not None else b""
        block = tree.of(body) if body.type == "block" else b"{ " + tree.of(body) + b" }"
        yield replace(
            let, b"fn " + tree.of(pattern) + b"(" + parameters + b")" + arrow + b" " + block
        )


def variable_length(tree: SourceTree) -> Iterator[Change]:
    """Size an array by a variable: `vec![0; n]` to `[0; n]`, `const N` to `let`."""
    for macro in tree.nodes("macro_invocation"):
        text = tree.of(macro)
        if re.fullmatch(rb"vec!\[[^;\[\]]*;\s*[a-z_][\w.]*(\(\))?\]", text):
            yield Change(macro.start_byte, macro.start_byte + len(b"vec!"), b"")
