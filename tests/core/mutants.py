"""Real crates, small edits that mostly break them, and what plain cargo says of the result.

The crates come from the frozen directory source that CONTRIBUTING.md names; `M31R_SHARED` says
where it lies. A mutant is one edit of the syntax tree, chosen with a fixed seed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import tarfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tree_sitter import Node

from m31r_core.cargo import Diagnostic, parse_messages
from m31r_core.syntax import parse

SHARED = Path(os.environ.get("M31R_SHARED", Path(__file__).parents[3] / "shared"))
ARCHIVE = SHARED / "crates" / "debian-sid-2026-10-30.tar.xz"

CRATES = ("itoa", "semver", "smallvec", "indexmap", "regex-syntax")
NEEDED = (*CRATES, "equivalent", "hashbrown", "allocator-api2", "foldhash")

CHECK = ["nice", "-n", "10", "cargo", "check", "--workspace", "--keep-going", "--offline"]


@dataclass(frozen=True)
class Mutant:
    """One edit: the whole text of `path` (from the crate's folder) after it."""

    kind: str
    path: str
    text: bytes


def unpack(folder: Path) -> Path:
    """Unpack the crates into `folder`; return a CARGO_HOME there that finds them."""
    registry = folder / "registry"
    wanted = tuple(f"{name}-" for name in NEEDED)
    with tarfile.open(ARCHIVE) as archive:
        members = (member for member in archive if member.name.startswith(wanted))
        archive.extractall(registry, members=members, filter="data")
    home = folder / "cargo"
    home.mkdir()
    (home / "config.toml").write_text(
        '[source.crates-io]\nreplace-with = "frozen"\n'
        f'[source.frozen]\ndirectory = "{registry}"\n[net]\noffline = true\n'
    )
    return home


def crate_of(name: str, cargo_home: Path, folder: Path) -> Path:
    """Copy the crate `name` to `folder` as a workspace of its own that compiles without errors.

    Dependencies for development and optional ones are left out of the manifest, and with them
    the tests that need them.
    """
    registry = cargo_home.parent / "registry"
    (source,) = registry.glob(f"{name}-[0-9]*")
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns(".*", "*.orig", "*.lock"))
    manifest = tomllib.loads((source / "Cargo.toml").read_text("utf-8"))
    path = folder / "Cargo.toml"
    path.write_text(_manifest(manifest, tests=True))
    cargo = PlainCargo(folder, folder.with_name(folder.name + "-prepare"))
    for error in cargo.errors({}):
        place = error.primary.path if error.primary else ""
        if place.startswith(("tests/", "examples/", "benches/")):
            (folder / place).unlink(missing_ok=True)
        else:
            path.write_text(_manifest(manifest, tests=False))
    left = cargo.errors({})
    assert not left, left[0].rendered
    shutil.rmtree(cargo.target_dir)
    return folder


class PlainCargo:
    """`cargo check` in a crate's own folder: what every other verdict has to equal."""

    def __init__(self, crate: Path, target_dir: Path, targets: str = "all") -> None:
        self.crate = crate
        self._targets = ["--all-targets"] if targets == "all" else []
        self.target_dir = target_dir

    def errors(self, changes: Mapping[str, bytes]) -> list[Diagnostic]:
        """The errors with `changes` saved; they are taken back afterwards."""
        before = {path: (self.crate / path).read_bytes() for path in changes}
        try:
            for path, text in changes.items():
                (self.crate / path).write_bytes(text)
            done = subprocess.run(
                [*CHECK, *self._targets, "--message-format=json", "--target-dir", self.target_dir],
                cwd=self.crate,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            for path, text in before.items():
                (self.crate / path).write_bytes(text)
        found = [error for error in parse_messages(done.stdout.splitlines()) if error.is_error]
        assert found or done.returncode == 0, done.stderr
        return found


def mutants(crate: Path, count: int, seed: int) -> list[Mutant]:
    """Return `count` mutants of the crate's sources, the kinds in turn, the same every time."""
    pool: dict[str, list[tuple[str, int, int, bytes]]] = {}
    texts: dict[str, bytes] = {}
    for file in sorted((crate / "src").rglob("*.rs")):
        path = str(file.relative_to(crate))
        texts[path] = file.read_bytes()
        for kind, start, end, text in _edits(texts[path]):
            pool.setdefault(kind, []).append((path, start, end, text))
    chance = random.Random(seed)
    for kind in sorted(pool):
        chance.shuffle(pool[kind])
    chosen: list[Mutant] = []
    while len(chosen) < count and any(pool.values()):
        for kind in sorted(pool):
            if pool[kind] and len(chosen) < count:
                path, start, end, text = pool[kind].pop()
                source = texts[path]
                chosen.append(Mutant(kind, path, source[:start] + text + source[end:]))
    return chosen


def _edits(source: bytes) -> Iterator[tuple[str, int, int, bytes]]:
    """Every edit of the text: kind, start and end in bytes, what takes their place."""
    waiting = [parse(source).root_node]
    while waiting:
        node = waiting.pop()
        waiting += reversed(node.children)
        for kind, edit in EDITS.items():
            found = edit(node)
            if found is not None:
                yield (kind, *found)


Edit = tuple[int, int, bytes]


def _text(node: Node | None) -> bytes:
    return (node.text or b"") if node is not None else b""


def _drop(kind: str) -> Callable[[Node], Edit | None]:
    return lambda node: (node.start_byte, node.end_byte, b"") if node.type == kind else None


def _rename(kind: str, parents: frozenset[str]) -> Callable[[Node], Edit | None]:
    def edit(node: Node) -> Edit | None:
        if node.type != kind or node.parent is None or node.parent.type not in parents:
            return None
        return node.end_byte, node.end_byte, b"_x"

    return edit


def _drop_reference(node: Node) -> Edit | None:
    value = node.child_by_field_name("value")
    if node.type != "reference_expression" or value is None:
        return None
    return node.start_byte, value.start_byte, b""


def _drop_question(node: Node) -> Edit | None:
    return (node.end_byte - 1, node.end_byte, b"") if node.type == "try_expression" else None


def _drop_semicolon(node: Node) -> Edit | None:
    if node.type != "expression_statement" or not _text(node).endswith(b";"):
        return None
    return node.end_byte - 1, node.end_byte, b""


def _owned_self(node: Node) -> Edit | None:
    if node.type != "self_parameter" or not _text(node).startswith(b"&"):
        return None
    return node.start_byte, node.end_byte, b"self"


def _extra_argument(node: Node) -> Edit | None:
    inside = node.type == "arguments" and node.named_child_count
    return (node.end_byte - 1, node.end_byte - 1, b", 0") if inside else None


def _other_number(node: Node) -> Edit | None:
    other = {b"usize": b"u32", b"u32": b"u64", b"u8": b"char", b"bool": b"u8"}.get(_text(node))
    return (
        (node.start_byte, node.end_byte, other) if node.type == "primitive_type" and other else None
    )


def _string_to_number(node: Node) -> Edit | None:
    return (node.start_byte, node.end_byte, b"0") if node.type == "string_literal" else None


def _unfinished(node: Node) -> Edit | None:
    """Half a statement, as while typing."""
    if node.type != "let_declaration":
        return None
    return node.end_byte, node.end_byte, b" let = ;"


def _dead_body(node: Node) -> Edit | None:
    """A body that compiles, whatever it returns."""
    parent = node.parent
    if node.type != "block" or parent is None or parent.type != "function_item":
        return None
    returned = _text(parent.child_by_field_name("return_type"))
    if b"const" in _text(parent.child(0)) or b"impl " in returned:
        return None
    return node.start_byte, node.end_byte, b"{ loop {} }"


EDITS: dict[str, Callable[[Node], Edit | None]] = {
    "body": _dead_body,
    "drop-arm": _drop("match_arm"),
    "drop-attribute": _drop("attribute_item"),
    "drop-field": _drop("field_initializer"),
    "drop-lifetime": _drop("lifetime"),
    "drop-mut": _drop("mutable_specifier"),
    "drop-question": _drop_question,
    "drop-reference": _drop_reference,
    "drop-semicolon": _drop_semicolon,
    "drop-use": _drop("use_declaration"),
    "drop-visibility": _drop("visibility_modifier"),
    "drop-where": _drop("where_clause"),
    "extra-argument": _extra_argument,
    "other-number": _other_number,
    "owned-self": _owned_self,
    "string": _string_to_number,
    "unfinished": _unfinished,
    "wrong-field": _rename("field_identifier", frozenset({"field_expression"})),
    "wrong-name": _rename("identifier", frozenset({"arguments", "binary_expression"})),
    "wrong-type": _rename("type_identifier", frozenset({"parameter", "reference_type"})),
}


def _manifest(manifest: Mapping[str, Any], *, tests: bool) -> str:
    """Write the least manifest of the crate: its library, its dependencies, its features."""
    package = manifest["package"]
    dependencies = {
        name: found
        for name, found in manifest.get("dependencies", {}).items()
        if isinstance(found, str) or not found.get("optional")
    }
    lines = ["[package]", "autobenches = false", "autoexamples = false"]
    for key in ("name", "version", "edition", "rust-version", "build"):
        if key in package:
            lines.append(f"{key} = {json.dumps(package[key])}")
    lines += ["[workspace]", "[lib]", f"test = {json.dumps(tests)}", "bench = false"]
    if "name" in manifest.get("lib", {}):
        lines.append(f"name = {json.dumps(manifest['lib']['name'])}")
    lines.append("[features]")
    features = manifest.get("features", {})
    for name, implied in features.items():
        kept = [one for one in implied if one in features or one.split("/")[0] in dependencies]
        lines.append(f"{json.dumps(name)} = {json.dumps(kept)}")
    for name, found in dependencies.items():
        lines.append(f"[dependencies.{name}]")
        table = {"version": found} if isinstance(found, str) else found
        lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"
