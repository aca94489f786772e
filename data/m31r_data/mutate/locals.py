"""Who a name belongs to: the local variables of a function and what becomes of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from tree_sitter import Node

from m31r_core.repair.source import field
from m31r_data.mutate.tree import SourceTree, around, code

_COPY_TYPE = re.compile(
    rb"^(&(?!\s*('\w+\s+)?mut\b)|[ui](8|16|32|64|128|size)$|f32$|f64$|bool$|char$)"
)
_COPY_VALUE = re.compile(
    rb"^(&(?!\s*mut\b)|-?\d|true$|false$|b?'|b?\"|.*\.(len|is_\w+|as_str|as_bytes)\(\)$)", re.S
)
_OWNED_VALUE = re.compile(
    rb"(^(String|Vec|Box|HashMap|BTreeMap|Rc|Arc)\b.*|^vec!.*|^format!.*"
    rb"|.*\.(clone|to_owned|to_string|to_vec|collect|to_path_buf|into_owned|into_boxed_slice|join|concat)"
    rb"(::<.*>)?\([^()]*\)\??)$",
    re.S,
)
_LOOPS = ("for_expression", "while_expression", "loop_expression")
_BODIES = ("function_item", "closure_expression")


class Binding(NamedTuple):
    """`let NAME = VALUE;`, with what follows it in its block."""

    let: Node
    name: bytes
    value: Node
    after: list[Node]


def function_body(node: Node) -> Node | None:
    """Return the body of the function around a node."""
    return field(around(node, "function_item"), "body")


def bindings(tree: SourceTree) -> Iterator[Binding]:
    """Yield the simple bindings with a value, each with the statements behind it."""
    for let in tree.nodes("let_declaration"):
        pattern, value = field(let, "pattern"), field(let, "value")
        if pattern is None or value is None or pattern.type != "identifier":
            continue
        if field(let, "alternative") is None and let.parent is not None:
            after = [each for each in code(let.parent) if each.start_byte >= let.end_byte]
            yield Binding(let, tree.of(pattern), value, after)


def statement_pairs(tree: SourceTree) -> Iterator[tuple[Node, Node]]:
    """Yield neighbouring statements of blocks, with nothing but white space between them."""
    for block in tree.nodes("block"):
        for first, second in pairwise(code(block)):
            between = tree.text[first.end_byte : second.start_byte]
            if not between.strip() and first.type in ("let_declaration", "expression_statement"):
                yield first, second


def used_later(tree: SourceTree, name: bytes, node: Node) -> bool:
    """Whether the function goes on to use `name` behind this node, or comes by here again."""
    body = function_body(node)
    if body is None:
        return False
    if tree.uses(name, node.end_byte, body.end_byte):
        return True
    loop = around(node, *_LOOPS, *_BODIES)
    if loop is None or loop.type not in _LOOPS:
        return False
    return not any(
        use.parent is not None and use.parent.type in ("let_declaration", "for_expression")
        for use in tree.uses(name, loop.start_byte, node.start_byte)
    )


def declaration(tree: SourceTree, use: Node) -> Node | None:
    """Return the `let` or the parameter that most probably binds what this identifier names."""
    function = around(use, "function_item")
    if function is None:
        return None
    found = None
    for each in tree.uses(tree.of(use), function.start_byte, use.start_byte):
        parent = each.parent
        if parent is not None and parent.type in ("let_declaration", "parameter"):
            pattern = field(parent, "pattern")
            if pattern is not None and pattern.id == each.id:
                found = parent
    return found


def is_copied(tree: SourceTree, use: Node) -> bool:
    """Whether giving this variable away leaves it where it is, as far as one can see."""
    declared = declaration(tree, use)
    if declared is None:
        return False
    type_, value = tree.of(field(declared, "type")), tree.of(field(declared, "value"))
    return bool(_COPY_TYPE.match(type_) or (value and _COPY_VALUE.match(value)))


def is_owned(tree: SourceTree, use: Node) -> bool:
    """Whether this variable is sure to own what it holds, on the heap."""
    declared = declaration(tree, use)
    if declared is None:
        return False
    type_, value = tree.of(field(declared, "type")), tree.of(field(declared, "value"))
    if type_:
        return bool(re.match(rb"(String|Vec|Box|HashMap|BTreeMap|PathBuf)\b", type_))
    return bool(_OWNED_VALUE.match(value))


def owns(tree: SourceTree, value: Node) -> bool:
    """Whether the value of an expression is sure to be owned and on the heap."""
    return bool(_OWNED_VALUE.match(tree.of(value)))


def is_given_away(node: Node) -> bool:
    """Whether this identifier stands where its value is moved out of it, or copied."""
    parent = node.parent
    if parent is None:
        return False
    if parent.type in ("let_declaration", "field_initializer"):
        given = field(parent, "value")
    elif parent.type in ("assignment_expression",):
        given = field(parent, "right")
    elif parent.type in ("arguments", "shorthand_field_initializer", "return_expression"):
        given = node
    else:
        return False
    return given is not None and given.id == node.id


def is_bound(name: Node) -> bool:
    """Whether this identifier is the pattern of a `let`, a loop or a parameter."""
    parent = name.parent
    pattern = None
    if parent is not None and parent.type in ("let_declaration", "for_expression", "parameter"):
        pattern = field(parent, "pattern")
    return pattern is not None and pattern.id == name.id


def is_reference(tree: SourceTree, use: Node) -> bool:
    """Whether this variable is declared as a reference, which does not own what it holds."""
    declared = declaration(tree, use)
    type_, value = tree.of(field(declared, "type")), tree.of(field(declared, "value"))
    return type_.startswith(b"&") or value.startswith(b"&")
