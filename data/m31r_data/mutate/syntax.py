"""Text that does not parse: brackets, commas and keywords left out while typing."""

from __future__ import annotations

from collections.abc import Iterator

from m31r_core.repair.source import field
from m31r_data.mutate.tree import Change, SourceTree, child, code, insert, replace


def drop_bracket(tree: SourceTree) -> Iterator[Change]:
    """Forget to close a call: `f(g(x));` to `f(g(x);`."""
    for inside in tree.nodes("arguments"):
        if tree.of(inside).endswith(b"))"):
            yield Change(inside.end_byte - 1, inside.end_byte, b"")


def drop_brace(tree: SourceTree) -> Iterator[Change]:
    """Forget to open or to close a block."""
    for block in tree.nodes("block"):
        text = tree.of(block)
        if text.endswith(b"}") and b"\n" in text and text.startswith(b"{"):
            if block.start_byte % 2:
                start = tree.source.line_start(block.end_byte - 1)
                alone = not tree.text[start : block.end_byte - 1].strip()
                after = tree.text[block.end_byte : block.end_byte + 1] == b"\n"
                if alone and after:
                    yield Change(start, block.end_byte + 1, b"")
            else:
                yield Change(block.start_byte, block.start_byte + 1, b"")


def drop_comma(tree: SourceTree) -> Iterator[Change]:
    """Forget a comma between arguments, fields or arms."""
    for kind in (
        "arguments",
        "field_initializer_list",
        "parameters",
        "field_declaration_list",
        "enum_variant_list",
    ):
        for listed in tree.nodes(kind):
            commas = [each for each in listed.children if each.type == ","]
            if (commas and len(code(listed)) > len(commas)) or len(commas) > 1:
                yield replace(commas[0], b"")


def drop_let_semicolon(tree: SourceTree) -> Iterator[Change]:
    """Forget the semicolon of a `let`."""
    for let in tree.nodes("let_declaration"):
        if tree.of(let).endswith(b";"):
            yield Change(let.end_byte - 1, let.end_byte, b"")


def drop_arrow(tree: SourceTree) -> Iterator[Change]:
    """Write the head of a function as in another language: `-> T` to `: T`."""
    for function in tree.nodes("function_item"):
        arrow, type_ = child(function, "->"), field(function, "return_type")
        if arrow is not None and type_ is not None:
            before = arrow.prev_sibling
            start = arrow.start_byte if before is None else before.end_byte
            yield Change(start, type_.start_byte, b": ")


def single_arrow(tree: SourceTree) -> Iterator[Change]:
    """Write an arm of a match with the wrong arrow: `=>` to `->`, `:`."""
    for arm in tree.nodes("match_arm"):
        arrow = child(arm, "=>")
        if arrow is not None:
            yield replace(arrow, b"->")


def drop_let(tree: SourceTree) -> Iterator[Change]:
    """Declare a variable as in another language: `let x = 1;` to `x = 1;`, `int x = 1;`."""
    for let in tree.nodes("let_declaration"):
        pattern = child(let, "mutable_specifier") or field(let, "pattern")
        if (
            pattern is not None
            and field(let, "alternative") is None
            and pattern.type in ("identifier", "mutable_specifier")
        ):
            yield Change(
                let.start_byte,
                pattern.start_byte,
                b"" if pattern.type == "identifier" else b"var ",
            )


def increment(tree: SourceTree) -> Iterator[Change]:
    """Count as in another language: `i += 1` to `i++`."""
    for compound in tree.nodes("compound_assignment_expr"):
        left = field(compound, "left")
        if left is not None and tree.of(field(compound, "right")) == b"1":
            sign = tree.of(field(compound, "operator"))[:1]
            if sign in (b"+", b"-"):
                yield Change(left.end_byte, compound.end_byte, sign * 2)


def open_string(tree: SourceTree) -> Iterator[Change]:
    """Forget the closing quote of a string."""
    for literal in tree.nodes("string_literal"):
        text = tree.of(literal)
        if b"\n" not in text and text.endswith(b'"'):
            yield Change(literal.end_byte - 1, literal.end_byte, b"")


def turbofish_without_colons(tree: SourceTree) -> Iterator[Change]:
    """Give type arguments in an expression without `::`: `Vec::<u8>` to `Vec<u8>`."""
    for generic in tree.nodes("generic_function"):
        function, inside = field(generic, "function"), field(generic, "type_arguments")
        if function is not None and inside is not None:
            yield Change(function.end_byte, inside.start_byte, b"")


def else_if(tree: SourceTree) -> Iterator[Change]:
    """Write `elif` or `elseif` for `else if`."""
    for clause in tree.nodes("else_clause"):
        inside = code(clause)
        if inside and inside[0].type == "if_expression":
            yield Change(clause.start_byte, inside[0].start_byte + len(b"if"), b"elif")


def drop_if_braces(tree: SourceTree) -> Iterator[Change]:
    """Write an `if` without its braces: `if c { return; }` to `if c return;`."""
    for branch in tree.nodes("if_expression"):
        block = field(branch, "consequence")
        statements = code(block)
        if (
            block is not None
            and len(statements) == 1
            and field(branch, "alternative") is None
            and len(tree.of(block)) < 120
        ):
            yield replace(block, tree.of(statements[0]))


def wrong_operator(tree: SourceTree) -> Iterator[Change]:
    """Write an operator of another language: `!x` to `not x`, `&&` to `and`, `!=` to `<>`."""
    other = {b"&&": b"and", b"||": b"or", b"!=": b"<>", b"==": b"==="}
    for binary in tree.nodes("binary_expression"):
        operator = field(binary, "operator")
        if operator is not None and tree.of(operator) in other:
            yield replace(operator, other[tree.of(operator)])
    for unary in tree.nodes("unary_expression"):
        if tree.of(unary).startswith(b"!"):
            yield Change(unary.start_byte, unary.start_byte + 1, b"not ")


def chained_comparison(tree: SourceTree) -> Iterator[Change]:
    """Compare as in mathematics: `a <= x && x < b` to `a <= x < b`."""
    for binary in tree.nodes("binary_expression"):
        left, right = field(binary, "left"), field(binary, "right")
        if tree.of(field(binary, "operator")) != b"&&" or left is None or right is None:
            continue
        shared = field(left, "right")
        first = field(right, "left")
        if shared is not None and first is not None and tree.of(shared) == tree.of(first):
            yield Change(left.end_byte, first.end_byte, b"")


def drop_in(tree: SourceTree) -> Iterator[Change]:
    """Write a loop as in another language: `for x in v` to `for (x : v)`."""
    for loop in tree.nodes("for_expression"):
        pattern, value = field(loop, "pattern"), field(loop, "value")
        if pattern is not None and value is not None:
            new = b"(" + tree.of(pattern) + b" : " + tree.of(value) + b")"
            yield Change(pattern.start_byte, value.end_byte, new)


def double_comma(tree: SourceTree) -> Iterator[Change]:
    """Write a comma twice between arguments."""
    for inside in tree.nodes("arguments"):
        given = code(inside)
        if len(given) > 1:
            yield insert(given[0].end_byte, b",")


def drop_semicolon(tree: SourceTree) -> Iterator[Change]:
    """Forget the semicolon of a statement."""
    for statement in tree.nodes("expression_statement"):
        if tree.of(statement).endswith(b");"):
            yield Change(statement.end_byte - 1, statement.end_byte, b"")
