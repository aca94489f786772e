"""Names that nobody declared: letters swapped, dropped or doubled, words in another style."""

from __future__ import annotations

import re
from collections.abc import Iterator

from m31r_core.repair.source import field
from m31r_data.mutate.tree import Change, SourceTree, around, child, code, replace

_USED_IN = (
    "arguments", "binary_expression", "return_expression", "let_declaration", "field_expression",
    "reference_expression", "assignment_expression", "compound_assignment_expr", "index_expression",
    "field_initializer", "match_expression", "unary_expression", "range_expression", "block",
)  # fmt: skip
_STANDARD = frozenset(
    (b"Self", b"Some", b"None", b"Ok", b"Err", b"crate", b"super", b"self", b"std", b"core")
)


def misspell(name: bytes, salt: int) -> bytes:
    """Return the name as a hasty hand would write it; which slip it is depends on `salt`."""
    letters = name.decode("utf-8", "replace")
    slips = [slip for slip in _slips(letters) if slip != letters and slip.isidentifier()]
    return slips[salt % len(slips)].encode() if slips else name + b"_"


def _slips(name: str) -> list[str]:
    middle = max(1, len(name) // 2)
    slips = []
    if len(name) > 4:
        slips.append(name[:middle] + name[middle + 1 :])
        slips.append(name[: middle - 1] + name[middle] + name[middle - 1] + name[middle + 1 :])
    if len(name) > 2:
        slips.append(name[:-1] if name.endswith("s") else name + "s")
        slips.append(name[:middle] + name[middle] + name[middle:])
    if "_" in name.strip("_"):
        head, _, tail = name.strip("_").partition("_")
        slips.append(head)
        slips.append(f"{tail}_{head}" if not tail[:1].isdigit() else head)
        slips.append(name.replace("_", "", 1))
    humps = re.findall(r"[A-Z][a-z0-9]+", name)
    if len(humps) > 1:
        slips.append("".join(humps[:-1]))
    if len(name) <= 2:
        slips.append(name + ("1" if name.islower() else "s"))
    return slips


def misspell_variable(tree: SourceTree) -> Iterator[Change]:
    """Use a variable or constant by a name that it does not have."""
    for name in tree.nodes("identifier"):
        parent = name.parent
        if parent is None or parent.type not in _USED_IN or tree.of(name) in _STANDARD:
            continue
        pattern = field(parent, "pattern")
        if pattern is None or pattern.id != name.id:
            yield replace(name, misspell(tree.of(name), name.start_byte))


def misspell_declaration(tree: SourceTree) -> Iterator[Change]:
    """Declare a variable by another name than it is used by."""
    for let in tree.nodes("let_declaration", "parameter"):
        pattern = field(let, "pattern")
        body = field(around(let, "function_item"), "body")
        if pattern is None or pattern.type != "identifier" or body is None:
            continue
        name = tree.of(pattern)
        if len(name) > 1 and 1 <= len(tree.uses(name, let.end_byte, body.end_byte)) <= 2:
            yield replace(pattern, misspell(name, pattern.start_byte))


def misspell_function(tree: SourceTree) -> Iterator[Change]:
    """Call a function by a name that it does not have."""
    for call in tree.calls():
        function = field(call, "function")
        if function is not None and function.type == "scoped_identifier":
            function = field(function, "name")
        if (
            function is not None
            and function.type == "identifier"
            and tree.of(function) not in _STANDARD
        ):
            yield replace(function, misspell(tree.of(function), function.start_byte))


def misspell_type(tree: SourceTree) -> Iterator[Change]:
    """Name a type or trait that does not exist."""
    for name in tree.nodes("type_identifier"):
        parent = name.parent
        if parent is None or tree.of(name) in _STANDARD or field(parent, "name") == name:
            continue
        if parent.type not in ("type_parameter", "scoped_type_identifier"):
            yield replace(name, misspell(tree.of(name), name.start_byte))


def misspell_associated_type(tree: SourceTree) -> Iterator[Change]:
    """Name an associated type or variant that does not exist: `T::Item` to `T::Items`."""
    for scoped in tree.nodes("scoped_type_identifier"):
        name = field(scoped, "name")
        if name is not None:
            yield replace(name, misspell(tree.of(name), name.start_byte))


def misspell_variant(tree: SourceTree) -> Iterator[Change]:
    """Name a variant or constant of a type that it does not have: `Kind::Word` to `Kind::Wrod`."""
    for scoped in tree.nodes("scoped_identifier"):
        name, parent = field(scoped, "name"), scoped.parent
        if name is None or not tree.of(name)[:1].isupper() or parent is None:
            continue
        if parent.type not in ("scoped_identifier", "use_declaration", "scoped_use_list"):
            yield replace(name, misspell(tree.of(name), name.start_byte))


def misspell_path(tree: SourceTree) -> Iterator[Change]:
    """Begin a path with a module or type that is not in scope: `fmt::Error` to `fnt::Error`."""
    for scoped in tree.nodes("scoped_identifier", "scoped_type_identifier"):
        first = field(scoped, "path")
        if first is None or first.type != "identifier" or tree.of(first) in _STANDARD:
            continue
        if around(scoped, "use_declaration") is None:
            yield replace(first, misspell(tree.of(first), first.start_byte))


def misspell_import(tree: SourceTree) -> Iterator[Change]:
    """Import what does not exist."""
    for use in tree.nodes("use_declaration"):
        argument = field(use, "argument")
        names = [argument] if argument is not None else []
        if argument is not None and argument.type == "scoped_use_list":
            names = code(field(argument, "list"))
        for each in names:
            name = field(each, "name") if each.type == "scoped_identifier" else each
            if name is not None and name.type == "identifier":
                yield replace(name, misspell(tree.of(name), name.start_byte))


def wrong_macro(tree: SourceTree) -> Iterator[Change]:
    """Call a macro by a name that it does not have."""
    for macro in tree.nodes("macro_invocation"):
        name = field(macro, "macro")
        if name is not None and name.type == "identifier":
            yield replace(name, misspell(tree.of(name), name.start_byte))


def drop_macro_mark(tree: SourceTree) -> Iterator[Change]:
    """Call a macro as if it were a function: `println!(…)` to `println(…)`."""
    for macro in tree.nodes("macro_invocation"):
        name = field(macro, "macro")
        if name is not None and tree.text[name.end_byte : name.end_byte + 2] == b"!(":
            yield Change(name.end_byte, name.end_byte + 1, b"")
    for call in tree.nodes("call_expression"):
        function = field(call, "function")
        if function is not None and tree.is_macro(call):
            yield Change(function.end_byte - 1, function.end_byte, b"")


def misspell_label(tree: SourceTree) -> Iterator[Change]:
    """Leave a loop that has another name, or none: `break 'outer` to `break 'outr`."""
    for jump in tree.nodes("break_expression", "continue_expression"):
        for each in code(jump):
            if each.type in ("label", "loop_label"):
                name = tree.of(each)[1:]
                yield replace(each, b"'" + misspell(name, each.start_byte))


def drop_label(tree: SourceTree) -> Iterator[Change]:
    """Leave a loop by a name that it does not have: `'outer: loop` to `loop`."""
    for loop in tree.nodes("for_expression", "while_expression", "loop_expression"):
        label = code(loop)[0] if code(loop) else None
        if label is not None and label.type == "label" and label.next_named_sibling is not None:
            keyword = loop.children[2].start_byte if len(loop.children) > 2 else label.end_byte
            yield Change(loop.start_byte, keyword, b"")


def double_colon(tree: SourceTree) -> Iterator[Change]:
    """Reach into a path by a dot: `String::new()` to `String.new()`."""
    for scoped in tree.nodes("scoped_identifier"):
        colons, parent = child(scoped, "::"), scoped.parent
        if (
            colons is not None
            and parent is not None
            and parent.type
            in ("call_expression", "arguments", "binary_expression", "let_declaration", "block")
        ):
            yield replace(colons, b".")
