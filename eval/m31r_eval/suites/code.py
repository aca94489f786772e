"""The Rust of a crate, as far as tasks are cut from it."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tree_sitter import Node, Tree

from m31r_core.errors import ConfigError
from m31r_core.syntax import parse

LARGEST = 120_000
"""Bytes of a file that is looked at; larger ones are mostly tables."""

_TEST_FILES = ("tests", "test", "benches", "examples")


@dataclass(frozen=True)
class SourceFile:
    """A file of a crate. `folder` is the crate's, `path` the file's in it."""

    folder: str
    path: str
    source: bytes

    @cached_property
    def text(self) -> str:
        """The file as text."""
        return self.source.decode()

    @cached_property
    def tree(self) -> Tree:
        """Its syntax tree."""
        return parse(self.source)

    @cached_property
    def left_out(self) -> list[tuple[int, int]]:
        """Byte ranges of what is compiled for tests alone, and of all attributes."""
        attributes = [
            (node.start_byte, node.end_byte)
            for node in walk(self.tree.root_node)
            if node.type in ("attribute_item", "inner_attribute_item")
        ]
        return attributes + [
            (node.start_byte, node.end_byte)
            for node in walk(self.tree.root_node)
            if node.type.endswith(("_item", "_declaration")) and _is_test(node)
        ]

    @cached_property
    def sha256(self) -> str:
        """Of its bytes, hexadecimal."""
        return hashlib.sha256(self.source).hexdigest()

    def leaves_out(self, start: int) -> bool:
        """Whether the byte `start` lies in code for tests, or in an attribute."""
        return any(first <= start < last for first, last in self.left_out)


@dataclass(frozen=True)
class Crate:
    """A crate folder `NAME-VERSION`, its package and licence as in its manifest, and its files."""

    folder: str
    package: str
    version: str
    licence: str
    edition: str
    files: tuple[SourceFile, ...]


def read_crate(folder: Path) -> Crate:
    """Read a crate. Raises ConfigError where there is no manifest of a package."""
    manifest = folder / "Cargo.toml"
    try:
        package = tomllib.loads(manifest.read_text(encoding="utf-8"))["package"]
        name, version = str(package["name"]), str(package["version"])
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{manifest}: not the manifest of a package ({error})") from error
    return Crate(
        folder.name,
        name,
        version,
        str(package.get("license", "")),
        str(package.get("edition", "2015")),
        tuple(_files(folder)),
    )


def _files(folder: Path) -> Iterator[SourceFile]:
    for path in sorted((folder / "src").rglob("*.rs")):
        inside = path.relative_to(folder)
        names = {*inside.parts[1:-1], inside.stem}
        if names & {*_TEST_FILES} or path.is_symlink():
            continue
        source = path.read_bytes()
        if len(source) > LARGEST or b"\r" in source:
            continue
        try:
            source.decode()
        except UnicodeDecodeError:
            continue
        yield SourceFile(folder.name, inside.as_posix(), source)


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and all below it, in the order of the text."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending += reversed(current.children)


def attributes(node: Node) -> Iterator[Node]:
    """Yield the attributes and comments right before an item, the nearest first."""
    before = node.prev_named_sibling
    while before is not None and before.type in ("attribute_item", "line_comment", "block_comment"):
        yield before
        before = before.prev_named_sibling


def text_of(node: Node | None) -> str:
    """Return the text of a node, nothing for None."""
    return (node.text or b"").decode() if node is not None else ""


def _is_test(node: Node) -> bool:
    said = [text_of(each) for each in attributes(node) if each.type == "attribute_item"]
    return any("cfg(test)" in text or text.strip() in ("#[test]", "#[bench]") for text in said)


def offsets(text: str, places: Sequence[int]) -> list[int]:
    """Return the character offsets of byte offsets of the text's UTF-8."""
    source = text.encode()
    return [len(source[:place].decode(errors="ignore")) for place in places]
