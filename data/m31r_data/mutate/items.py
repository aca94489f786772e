"""Items that miss a part, exist twice or are hidden from those who use them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from m31r_core.repair.source import field
from m31r_data.mutate.spelling import misspell
from m31r_data.mutate.tree import (
    Change,
    SourceTree,
    around,
    child,
    code,
    cut,
    cut_from_list,
    insert,
    next_code,
    replace,
)


def drop_implemented(tree: SourceTree) -> Iterator[Change]:
    """Implement a trait without one of its functions or types."""
    for implementation in tree.nodes("impl_item"):
        if field(implementation, "trait") is None:
            continue
        for each in code(field(implementation, "body")):
            if (
                each.type in ("function_item", "type_item", "associated_type", "const_item")
                and len(tree.of(each)) < 600
            ):
                yield cut(tree, each)


def misspell_implemented(tree: SourceTree) -> Iterator[Change]:
    """Implement what the trait does not have: a function by another name."""
    for implementation in tree.nodes("impl_item"):
        if field(implementation, "trait") is None:
            continue
        for each in code(field(implementation, "body")):
            name = field(each, "name")
            if name is not None:
                yield replace(name, misspell(tree.of(name), name.start_byte))


def publish_implemented(tree: SourceTree) -> Iterator[Change]:
    """Give a trait's function a visibility: `fn fmt` to `pub fn fmt`."""
    for implementation in tree.nodes("impl_item"):
        if field(implementation, "trait") is None:
            continue
        for each in code(field(implementation, "body")):
            if each.type == "function_item" and tree.of(each).startswith(b"fn"):
                yield insert(each.start_byte, b"pub ")


def drop_derive(tree: SourceTree) -> Iterator[Change]:
    """Forget to derive a trait that is used: one of a `#[derive(…)]`."""
    for attribute in tree.attributes():
        match = re.match(rb"#\[derive\((.*)\)\]$", tree.of(attribute), re.S)
        if not match:
            continue
        names = [name.strip() for name in match[1].split(b",") if name.strip()]
        for name in names:
            rest = b", ".join(each for each in names if each != name)
            if rest:
                yield replace(attribute, b"#[derive(" + rest + b")]")
            else:
                yield cut(tree, attribute)


def derive_copy(tree: SourceTree) -> Iterator[Change]:
    """Derive what a field does not have: `Copy`, `Default`, `Eq`, `Hash`."""
    for attribute in tree.attributes():
        match = re.match(rb"#\[derive\((.*)\)\]$", tree.of(attribute), re.S)
        if not match or len(match[1]) > 200:
            continue
        names = [name.strip() for name in match[1].split(b",") if name.strip()]
        added = b"Copy" if b"Clone" in names else b"Clone, Copy"
        for extra in (added, b"Default", b"Hash" if b"PartialEq" in names else b"PartialEq"):
            if not set(extra.split(b", ")) & set(names):
                yield replace(attribute, b"#[derive(" + b", ".join([*names, extra]) + b")]")


def derive_twice(tree: SourceTree) -> Iterator[Change]:
    """Derive what is implemented by hand in the same file."""
    for implementation in tree.nodes("impl_item"):
        trait = tree.of(field(implementation, "trait")).rpartition(b"::")[2]
        name = tree.of(field(implementation, "type")).partition(b"<")[0]
        if trait not in (
            b"Debug",
            b"Clone",
            b"Default",
            b"PartialEq",
            b"Hash",
            b"Eq",
            b"PartialOrd",
            b"Ord",
        ):
            continue
        for attribute in tree.attributes():
            text, item = tree.of(attribute), next_code(attribute)
            if (
                text.startswith(b"#[derive(")
                and tree.of(field(item, "name")) == name
                and trait not in text
            ):
                start = attribute.start_byte + len(b"#[derive(")
                yield insert(start, trait + b", ")


def declare_twice(tree: SourceTree) -> Iterator[Change]:
    """Declare the same item twice."""
    for item in tree.nodes(
        "const_item", "function_item", "struct_item", "static_item", "type_item"
    ):
        text = tree.of(item)
        if len(text) < 160:
            indent = tree.source.indent(item.start_byte).encode()
            yield insert(item.end_byte, b"\n" + indent + text)


def declare_field_twice(tree: SourceTree) -> Iterator[Change]:
    """Declare the same field or variant twice."""
    for each in tree.nodes("field_declaration", "enum_variant"):
        text, start = tree.of(each), tree.source.line_start(each.start_byte)
        if len(text) < 80 and not tree.text[start : each.start_byte].strip():
            yield insert(each.end_byte, b",\n" + tree.text[start : each.start_byte] + text)


def drop_field(tree: SourceTree) -> Iterator[Change]:
    """Use a field that the struct does not declare."""
    for each in tree.nodes("field_declaration"):
        yield cut_from_list(tree, each)


def add_field(tree: SourceTree) -> Iterator[Change]:
    """Add a field to a struct, not to those who build it."""
    for body in tree.nodes("field_declaration_list"):
        fields = [each for each in code(body) if each.type == "field_declaration"]
        if fields and body.parent is not None and body.parent.type == "struct_item":
            start = tree.source.line_start(fields[-1].start_byte)
            indent = tree.text[start : fields[-1].start_byte]
            if not indent.strip():
                yield insert(fields[-1].end_byte, b",\n" + indent + b"count: usize")


def drop_variant(tree: SourceTree) -> Iterator[Change]:
    """Use a variant that the enum does not declare."""
    for each in tree.nodes("enum_variant"):
        yield cut_from_list(tree, each)


def add_variant(tree: SourceTree) -> Iterator[Change]:
    """Add a variant to an enum, not to those who match on it."""
    for body in tree.nodes("enum_variant_list"):
        variants = [each for each in code(body) if each.type == "enum_variant"]
        if not variants:
            continue
        start = tree.source.line_start(variants[-1].start_byte)
        indent = tree.text[start : variants[-1].start_byte]
        if not indent.strip() and field(variants[-1], "value") is None:
            yield insert(variants[-1].end_byte, b",\n" + indent + b"Unknown")


def drop_box(tree: SourceTree) -> Iterator[Change]:
    """Let a type hold itself: `next: Option<Box<Node>>` to `next: Option<Node>`."""
    for declared in tree.nodes("field_declaration", "ordered_field_declaration_list"):
        for kind in ("type",):
            type_ = field(declared, kind) or declared
            match = re.search(rb"\bBox<((?:[^<>]|<[^<>]*>)*)>", tree.of(type_))
            if match and not match[1].startswith(b"dyn"):
                start = type_.start_byte
                yield Change(start + match.start(), start + match.end(), match[1])


def drop_item(tree: SourceTree) -> Iterator[Change]:
    """Use an item that nobody declared: a constant, a type alias, a small function."""
    for item in tree.nodes("const_item", "static_item", "type_item", "function_item"):
        implementation = around(item.parent, "impl_item", "trait_item")
        if field(implementation, "trait") is None and len(tree.of(item)) < 300:
            yield cut(tree, item)


def drop_body(tree: SourceTree) -> Iterator[Change]:
    """Leave the body of a function empty."""
    for function in tree.nodes("function_item"):
        body = field(function, "body")
        if (
            body is not None
            and field(function, "return_type") is not None
            and len(tree.of(body)) < 300
        ):
            yield replace(body, b"{}")


def call_at_compile_time(tree: SourceTree) -> Iterator[Change]:
    """Make a constant of what is computed when the program runs: `let x = f()` to `const`."""
    for let in tree.nodes("let_declaration"):
        pattern, type_, value = (field(let, name) for name in ("pattern", "type", "value"))
        if pattern is None or type_ is None or value is None or pattern.type != "identifier":
            continue
        if child(let, "mutable_specifier") is None:
            yield Change(let.start_byte, let.start_byte + len(b"let"), b"const")


def drop_statement(tree: SourceTree) -> Iterator[Change]:
    """Use a variable that nobody declared: leave a `let` away."""
    for let in tree.nodes("let_declaration"):
        if len(tree.of(let)) < 300:
            yield cut(tree, let)


def shorten_scope(tree: SourceTree) -> Iterator[Change]:
    """Use a variable behind the end of the block that declares it."""
    for block in tree.nodes("block"):
        statements = code(block)
        for let, after in itertools.pairwise(statements):
            if let.type != "let_declaration" or len(tree.of(let)) > 200:
                continue
            if tree.text[let.end_byte : after.start_byte].strip():
                continue
            indent = tree.source.indent(let.start_byte).encode()
            inner = b"{\n" + indent + b"    " + tree.of(let) + b"\n" + indent + b"}"
            yield replace(let, inner)
            break


def break_from_function(tree: SourceTree) -> Iterator[Change]:
    """Leave a loop where there is none: `return` to `break`."""
    for returned in tree.nodes("return_expression"):
        inside = around(
            returned,
            "for_expression",
            "while_expression",
            "loop_expression",
            "function_item",
            "closure_expression",
        )
        if inside is None or code(returned):
            continue
        if inside.type in ("function_item", "closure_expression"):
            yield Change(returned.start_byte, returned.start_byte + len(b"return"), b"break")


def break_with_value(tree: SourceTree) -> Iterator[Change]:
    """Leave a loop with a value that only `loop` may give: `break;` to `break true;`."""
    for jump in tree.nodes("break_expression"):
        inside = around(
            jump,
            "for_expression",
            "while_expression",
            "loop_expression",
            "function_item",
            "closure_expression",
        )
        if (
            inside is not None
            and inside.type in ("for_expression", "while_expression")
            and not code(jump)
        ):
            yield insert(jump.end_byte, b" true")
