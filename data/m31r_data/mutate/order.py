"""Statements in the wrong order: given away before it is looked at, dropped while it is lent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tree_sitter import Node

from m31r_core.repair.source import field, walk
from m31r_data.mutate.locals import (
    function_body,
    is_bound,
    is_copied,
    is_given_away,
    is_reference,
    owns,
    statement_pairs,
)
from m31r_data.mutate.places import borrowed_variable
from m31r_data.mutate.tree import Change, SourceTree, child, code

_REACH = 4
JUMPS = (
    "try_expression",
    "return_expression",
    "break_expression",
    "continue_expression",
    "await_expression",
    "let_condition",
)
"""What cannot be put into a closure without meaning something else."""
_STATEMENTS = ("let_declaration", "expression_statement")


class Later(NamedTuple):
    """A statement that gives a variable away, and one before it in the same block."""

    earlier: Node
    later: Node
    name: bytes


def move_before_use(tree: SourceTree) -> Iterator[Change]:
    """Put the statement that takes a variable before the one that looks at it."""
    for earlier, later, name in _given_away_later(tree):
        looks = tree.uses(name, earlier.start_byte, earlier.end_byte)
        if looks and not any(is_given_away(use) or is_bound(use) for use in looks):
            yield put_before(tree, earlier, later)


def look_through_reference(tree: SourceTree) -> Iterator[Change]:
    """Look at a variable through a reference, after the variable was given away."""
    for earlier, later, name in _given_away_later(tree):
        if later.type not in _STATEMENTS:
            continue
        looks = tree.uses(name, earlier.start_byte, earlier.end_byte)
        if len(looks) != 1 or is_given_away(looks[0]) or is_bound(looks[0]):
            continue
        look = looks[0].parent
        kinds = ("reference_expression", "field_expression", "arguments")
        if look is None or look.type not in kinds:
            continue
        whole = look if look.type == "reference_expression" else looks[0]
        if whole.end_byte > earlier.end_byte or tree.of(whole).startswith(b"&mut"):
            continue
        view = name + b"_ref"
        indent = b"\n" + tree.source.indent(earlier.start_byte).encode()
        middle = tree.text[earlier.end_byte : later.start_byte]
        through = (
            tree.text[earlier.start_byte : whole.start_byte]
            + view
            + tree.text[whole.end_byte : earlier.end_byte]
        )
        new = b"let " + view + b" = &" + name + b";" + indent
        new += middle.strip() + (indent if middle.strip() else b"")
        new += tree.of(later) + indent + through
        yield Change(earlier.start_byte, later.end_byte, new)


def look_in_closure(tree: SourceTree) -> Iterator[Change]:
    """Look at a variable in a closure that is called after the variable was given away."""
    for earlier, later, name in _given_away_later(tree):
        if earlier.type != "expression_statement" or later.type not in _STATEMENTS:
            continue
        text = tree.of(earlier)
        if not text.endswith(b";") or any(True for _ in walk(earlier, *JUMPS)):
            continue
        looks = tree.uses(name, earlier.start_byte, earlier.end_byte)
        if not looks or any(is_given_away(use) for use in looks):
            continue
        indent = b"\n" + tree.source.indent(earlier.start_byte).encode()
        middle = tree.text[earlier.end_byte : later.start_byte].rstrip()
        new = b"let look = || " + text + middle + indent + tree.of(later) + indent + b"look();"
        yield Change(earlier.start_byte, later.end_byte, new)


def consume_while_borrowed(tree: SourceTree) -> Iterator[Change]:
    """Put the statement that takes a variable before the last use of a reference to it."""
    for earlier, later, name in _given_away_later(tree):
        if tree.uses(name, earlier.start_byte, earlier.end_byte):
            continue
        if any(_is_reference_to(tree, use, name) for use in walk(earlier, "identifier")):
            yield put_before(tree, earlier, later)


def _given_away_later(tree: SourceTree) -> Iterator[Later]:
    """Yield statements that give a variable away with those up to `_REACH` before them.

    A statement that needs what is bound in between is left out.
    """
    for block in tree.nodes("block"):
        statements = code(block)
        for number, later in enumerate(statements):
            if later.type == "identifier":
                continue
            taken = [
                use
                for use in walk(later, "identifier")
                if is_given_away(use) and not is_copied(tree, use) and not is_reference(tree, use)
            ]
            names = dict.fromkeys(tree.of(use) for use in taken)
            for name in names:
                for earlier in reversed(statements[max(0, number - _REACH) : number]):
                    if earlier.type not in _STATEMENTS or _binds_for(tree, earlier, later):
                        break
                    yield Later(earlier, later, name)


def _binds_for(tree: SourceTree, earlier: Node, later: Node) -> bool:
    """Whether a statement binds a name that a later one uses."""
    pattern = field(earlier, "pattern")
    return pattern is not None and any(
        tree.uses(tree.of(name), later.start_byte, later.end_byte)
        for name in walk(pattern, "identifier")
    )


def _is_reference_to(tree: SourceTree, use: Node, name: bytes) -> bool:
    """Whether a variable was bound to a reference to the variable `name`."""
    body = function_body(use)
    if body is None:
        return False
    for declared in tree.uses(tree.of(use), body.start_byte, use.start_byte):
        let = declared.parent
        if let is not None and let.type == "let_declaration" and is_bound(declared):
            value = field(let, "value")
            owner = None if value is None else borrowed_variable(tree, value)
            if owner is not None and tree.of(owner) == name:
                return True
    return False


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
            header = field(loop, "pattern") or field(loop, "condition")
            own = {tree.of(name) for name in walk(header, "identifier")} if header else set()
            own |= {
                tree.of(name)
                for name in walk(loop, "identifier")
                if name.start_byte < let.start_byte and is_bound(name)
            }
            if own & {tree.of(name) for name in walk(value, "identifier")}:
                continue
            uses = tree.uses(tree.of(pattern), let.end_byte, loop.end_byte)
            if any(is_given_away(use) for use in uses) and owns(tree, value):
                yield _lift(tree, let, statement)
                break


def _lift(tree: SourceTree, statement: Node, to: Node) -> Change:
    """Move a statement to before one that it is part of."""
    indent = tree.source.indent(to.start_byte).encode()
    end = tree.source.line_end(statement.end_byte)
    start = tree.source.line_start(statement.start_byte)
    own_line = tree.text[start : statement.start_byte] + tree.text[statement.end_byte : end]
    if own_line.strip():
        start, end = statement.start_byte, statement.end_byte
    before = tree.text[to.start_byte : start]
    return Change(to.start_byte, end, tree.of(statement) + b"\n" + indent + before)


def drop_early(tree: SourceTree) -> Iterator[Change]:
    """Give a value back while a reference to it is still needed: put `drop(x);` between."""
    for first, second in statement_pairs(tree):
        pattern, value = field(first, "pattern"), field(first, "value")
        if pattern is None or value is None or pattern.type != "identifier":
            continue
        if not tree.uses(tree.of(pattern), second.start_byte, second.end_byte):
            continue
        owner = borrowed_variable(tree, value)
        if owner is None or owner.type == "self":
            continue
        if is_copied(tree, owner) or is_reference(tree, owner):
            continue
        indent = tree.source.indent(second.start_byte).encode()
        line = b"drop(" + tree.of(owner) + b");\n" + indent
        yield Change(second.start_byte, second.start_byte, line)


def put_before(tree: SourceTree, earlier: Node, later: Node) -> Change:
    """Move a statement to before an earlier one of its block.

    The value at the end of a block gets a name, and the name stays behind.
    """
    indent = b"\n" + tree.source.indent(earlier.start_byte).encode()
    between = tree.text[earlier.start_byte : later.start_byte].rstrip()
    text = tree.of(later)
    if later.type in _STATEMENTS:
        return Change(earlier.start_byte, later.end_byte, text + indent + between)
    named = b"let result = " + text + b";"
    return Change(earlier.start_byte, later.end_byte, named + indent + between + indent + b"result")


def swap(tree: SourceTree, first: Node, second: Node) -> Change:
    """Exchange two nodes, the text between them stays."""
    between = tree.text[first.end_byte : second.start_byte]
    return Change(first.start_byte, second.end_byte, tree.of(second) + between + tree.of(first))
