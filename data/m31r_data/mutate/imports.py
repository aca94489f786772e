"""Names that are not in scope because an import is missing, wrong or given twice."""

from __future__ import annotations

from collections.abc import Iterator

from m31r_core.repair.source import field
from m31r_data.mutate.spelling import misspell
from m31r_data.mutate.tree import (
    Change,
    SourceTree,
    around,
    code,
    cut,
    cut_from_list,
    insert,
    replace,
)


def drop_use(tree: SourceTree) -> Iterator[Change]:
    """Forget an import."""
    for use in tree.nodes("use_declaration"):
        if not tree.of(use).startswith(b"pub") and len(tree.of(use)) < 400:
            yield cut(tree, use)


def drop_from_use(tree: SourceTree) -> Iterator[Change]:
    """Forget one of the names of an import: `use a::{b, c};` to `use a::{b};`."""
    for names in tree.nodes("use_list"):
        found = code(names)
        if len(found) > 1:
            for each in found:
                yield cut_from_list(tree, each)


def use_twice(tree: SourceTree) -> Iterator[Change]:
    """Import a name twice."""
    for use in tree.nodes("use_declaration"):
        text = tree.of(use)
        if len(text) < 80 and b"*" not in text and not text.startswith(b"pub"):
            indent = tree.source.indent(use.start_byte).encode()
            yield insert(use.end_byte, b"\n" + indent + text)


def wrong_use_root(tree: SourceTree) -> Iterator[Change]:
    """Look for a name in another place: `crate::a` to `a`, `super::b` to `crate::b`."""
    other = {b"super": b"crate", b"crate": b"super", b"self": b"super"}
    for use in tree.nodes("use_declaration"):
        argument = field(use, "argument")
        root = argument
        while root is not None and field(root, "path") is not None:
            root = field(root, "path")
        if root is not None and root.id != getattr(argument, "id", 0) and tree.of(root) in other:
            yield replace(root, other[tree.of(root)])


def misspell_use_path(tree: SourceTree) -> Iterator[Change]:
    """Import from a module that does not exist: `std::collections` to `std::collection`."""
    for scoped in tree.nodes("scoped_identifier", "scoped_use_list"):
        path = field(scoped, "path")
        name = (
            field(path, "name") if path is not None and path.type == "scoped_identifier" else path
        )
        if (
            around(scoped, "use_declaration") is not None
            and name is not None
            and name.type == "identifier"
        ):
            yield replace(name, misspell(tree.of(name), name.start_byte))


def drop_path(tree: SourceTree) -> Iterator[Change]:
    """Call by its bare name what is reached by a path: `fmt::Error` to `Error`."""
    for scoped in tree.nodes("scoped_identifier", "scoped_type_identifier"):
        name, parent = field(scoped, "name"), scoped.parent
        if name is None or parent is None or around(scoped, "use_declaration") is not None:
            continue
        if not parent.type.startswith("scoped"):
            yield replace(scoped, tree.of(name))


def misspell_module(tree: SourceTree) -> Iterator[Change]:
    """Declare a module whose file is not there."""
    for module in tree.nodes("mod_item"):
        name = field(module, "name")
        if name is not None and field(module, "body") is None:
            yield replace(name, misspell(tree.of(name), name.start_byte))


def drop_module(tree: SourceTree) -> Iterator[Change]:
    """Forget to declare a module."""
    for module in tree.nodes("mod_item"):
        if field(module, "body") is None and not tree.of(module).startswith(b"pub mod"):
            yield cut(tree, module)
