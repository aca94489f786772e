"""The units of a workspace: each is one call of rustc, as cargo made it once."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from m31r_core.cargo.diagnostics import Diagnostic, parse_messages


@dataclass(frozen=True)
class Unit:
    """One call of rustc. Paths in `argv`, `cwd` and `env` are those of cargo's copy of the
    workspace.

    `name` is the stem of its outputs. `source` (the root file) and `package` are paths of the
    user. A unit is `hard` when what it compiles is run by the compilation of others: build
    scripts, procedural macros and what they are made of.
    """

    name: str
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    source: str
    package: str

    @property
    def hard(self) -> bool:
        """Whether cargo had it linked and not only checked."""
        return any(arg.startswith("--emit=") and "link" in arg for arg in self.argv)

    @property
    def test(self) -> bool:
        """Whether it is compiled with `--test`."""
        return "--test" in self.argv

    @cached_property
    def extern_paths(self) -> Mapping[str, str]:
        """The crates it is given by `--extern`: stem -> path."""
        given = [value.partition("=")[2] for value in _values(self.argv, "--extern")]
        return {stem_of(path): path for path in given if path}

    @cached_property
    def externs(self) -> tuple[str, ...]:
        """Stems of the crates it is given; only some of them are units of ours."""
        return tuple(self.extern_paths)

    @cached_property
    def out_dir(self) -> str:
        """Where cargo has its outputs."""
        return next(iter(_values(self.argv, "--out-dir")), "")


@dataclass(frozen=True)
class Result:
    """What rustc said about a unit.

    `sources` are the Rust files that it read (absolute paths of the user), None where it gave up
    before it knew them.
    """

    ok: bool
    lines: tuple[str, ...]
    sources: frozenset[str] | None

    @cached_property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Its errors and warnings."""
        return tuple(parse_messages(self.lines))


def read_unit(file: Path, tree: str) -> Unit | None:
    """Read a record of recorder.py made in the copy under `tree`; None when it is none."""
    try:
        record: dict[str, Any] = json.loads(file.read_text("utf-8"))
        argv = tuple(record["argv"])
        env = dict(record["env"])
        cwd = record["cwd"]
        root = next(arg for arg in argv[1:] if arg.endswith(".rs"))
        package = env["CARGO_MANIFEST_DIR"].removeprefix(tree)
        source = os.path.normpath(Path(cwd, root)).removeprefix(tree)
        return Unit(record["name"], argv, cwd, env, source, package)
    except (OSError, ValueError, KeyError, StopIteration, TypeError):
        return None


def unit_as_json(unit: Unit) -> Any:
    """Return what `unit_from_json` reads."""
    return [unit.name, unit.argv, unit.cwd, unit.env, unit.source, unit.package]


def unit_from_json(record: Any) -> Unit:
    """Read what `unit_as_json` wrote."""
    name, argv, cwd, env, source, package = record
    return Unit(name, tuple(argv), cwd, env, source, package)


def stem_of(path: str) -> str:
    """`foo-0123` for `foo=/target/debug/deps/libfoo-0123.rmeta`."""
    return Path(path).name.rsplit(".", 1)[0].removeprefix("lib")


def in_order(units: Mapping[str, Unit]) -> tuple[Unit, ...]:
    """The units, each behind those it needs."""
    ordered: dict[str, Unit] = {}

    def visit(name: str) -> None:
        if name not in ordered:
            for needed in units[name].externs:
                if needed in units:
                    visit(needed)
            ordered[name] = units[name]

    for name in sorted(units):
        visit(name)
    return tuple(ordered.values())


def command_line(
    unit: Unit,
    *,
    place: Callable[[str], str],
    extern: Callable[[str], str],
    search: Sequence[Path],
    out_dir: Path,
    incremental: Path,
) -> list[str]:
    """Return the call that checks `unit` elsewhere and links nothing.

    `place` moves the paths in an argument, `extern` says where a crate given by path now lies,
    `search` are folders that rustc looks for crates in before those that cargo named.
    """
    command = [unit.argv[0]]
    arguments = iter(unit.argv[1:])
    for argument in arguments:
        if argument.startswith("--emit="):
            command.append("--emit=dep-info,metadata")
        elif argument.startswith(("--json=", "--diagnostic-width=", "-Cincremental=")):
            continue
        elif argument == "--out-dir":
            next(arguments, None)
            command += ["--out-dir", str(out_dir)]
            for folder in search:
                command += ["-L", f"dependency={folder}"]
        elif argument == "--extern":
            name, equals, path = next(arguments, "").partition("=")
            command += ["--extern", name + equals + (extern(path) if path else "")]
        elif argument == "-C":
            value = next(arguments, "")
            if not value.startswith("incremental="):
                command += ["-C", place(value)]
        else:
            command.append(place(argument))
    return [*command, "-C", f"incremental={incremental}"]


def dep_info_sources(
    file: Path, cwd: str, tree: str, ours: Sequence[str] = ()
) -> frozenset[str] | None:
    """Return the Rust files that rustc's dep-info names, as absolute paths of the user.

    A file behind a linked folder has both names. What lies in the folders `ours` is left out:
    build scripts wrote it. None when there is no dep-info: rustc did not get so far.
    """
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    found: set[str] = set()
    for line in text.splitlines():
        if not line.endswith(":") or line.startswith("#"):
            continue
        name = re.sub(r"\\(.)", r"\1", line[:-1])
        if name.endswith(".rs"):
            path = os.path.normpath(Path(cwd, name))
            if path.startswith(tree + "/"):
                path = path.removeprefix(tree)
            elif path.startswith(tuple(folder + "/" for folder in ours)):
                continue
            found |= {path, os.path.realpath(path)}
    return frozenset(found)


def _values(argv: Sequence[str], option: str) -> list[str]:
    return [value for before, value in pairwise(argv) if before == option]
