"""A copy of a workspace that lives in our cache, kept up to date from call to call.

The copy has the layout of the whole file system: `/src/ws` becomes `TREE/src/ws`, so that
every relative path between packages holds. Source files are copied and never linked, because a
build script may write beside them; large files and vendored packages are linked.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from m31r_core.cargo.process import CargoError, Deadline, run_cargo

LARGEST_COPY = 1 << 20
"""Bytes; a larger file is linked instead of copied."""

SKIPPED = frozenset({"target", ".git", ".hg", ".svn", "node_modules"})
CONFIGURATION = (".cargo/config.toml", ".cargo/config", "rust-toolchain.toml", "rust-toolchain")

Stamp = list[int]
"""Modification time in ns and size in bytes; [0, 0] for what an overlay wrote."""


def workspace_roots(workspace: Path, deadline: Deadline) -> list[Path]:
    """Return the folders that building `workspace` reads: its root first, then path dependencies.

    Raises CargoError when there is no Cargo.toml or cargo cannot read it.
    """
    if not any((folder / "Cargo.toml").is_file() for folder in (workspace, *workspace.parents)):
        raise CargoError(f"{workspace}: no Cargo.toml found here or above")
    arguments = ["metadata", "--no-deps", "--format-version=1"]
    output = run_cargo(arguments, cwd=workspace, deadline=deadline)
    if output.returncode:
        raise CargoError(f"{workspace}: {output.first_error()}")
    metadata = json.loads(output.stdout)
    root = Path(metadata["workspace_root"])
    roots = [root]
    waiting = [root / "Cargo.toml"]
    waiting += [Path(package["manifest_path"]) for package in metadata["packages"]]
    seen: set[Path] = set()
    while waiting:
        manifest = waiting.pop()
        if manifest in seen or not manifest.is_file():
            continue
        seen.add(manifest)
        if not any(manifest.is_relative_to(known) for known in roots):
            roots.append(_outermost(manifest.parent, root))
        waiting += [folder / "Cargo.toml" for folder in _path_dependencies(manifest)]
    return roots


def _outermost(package: Path, root: Path) -> Path:
    """The workspace that `package` is a member of, as long as it does not hold `root`."""
    for folder in (package, *package.parents):
        if root.is_relative_to(folder):
            break
        with contextlib.suppress(OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
            if "workspace" in tomllib.loads((folder / "Cargo.toml").read_text("utf-8")):
                return folder
    return package


def _path_dependencies(manifest: Path) -> Iterator[Path]:
    """Every folder that the manifest names as `path` of a dependency or a patch."""
    try:
        content = tomllib.loads(manifest.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return
    for path in _paths(content):
        folder = Path(os.path.normpath(manifest.parent / path))
        if folder.is_dir():
            yield folder


def _paths(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        if key == "path" and isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from _paths(value)


class Mirror:
    """The copy of one workspace under `folder`, which belongs to nobody else."""

    def __init__(self, folder: Path, roots: list[Path]) -> None:
        self.tree = folder / "tree"
        self.roots = roots
        self._home = folder
        self._index_file = folder / "index.json"
        self._index = self._read_index()

    def place(self, path: Path) -> Path:
        """Where the absolute `path` lies in the copy."""
        return self.tree / path.relative_to(path.anchor)

    def sync(self, deadline: Deadline) -> str:
        """Make the copy equal to the user's files; return a digest of their times and sizes.

        What is copied gets the present time: cargo takes a file for unchanged when its time is
        older than the last build, which is wrong for one that an overlay had replaced.
        """
        found: dict[str, Stamp] = {}
        for source in self._sources():
            deadline.left()
            with contextlib.suppress(FileNotFoundError):
                stat = source.lstat()
                found[str(source)] = [stat.st_mtime_ns, stat.st_size]
        for name in self._index.keys() - found.keys():
            _remove(self.place(Path(name)))
        for name, stamp in found.items():
            deadline.left()
            if self._index.get(name) != stamp:
                self._copy(Path(name), stamp[1])
        self._index = found
        self._write_index()
        return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()

    def lay(self, files: Mapping[Path, str]) -> None:
        """Write the texts of `files` (absolute paths) over the copy.

        The index forgets them first, so that a call killed midway leaves nothing unnoticed.
        """
        for path in files:
            self._index[str(path)] = [0, 0]
        self._write_index()
        for path, text in files.items():
            place = self.place(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            _remove(place)
            place.write_bytes(text.encode())

    def _sources(self) -> Iterator[Path]:
        cargo_home = Path(os.environ.get("CARGO_HOME", "~/.cargo")).expanduser()
        for parent in self.roots[0].parents:
            for name in CONFIGURATION:
                path = parent / name
                if path.is_file() and path.parent != cargo_home:
                    yield path
        yield from self._beside_root()
        for root in self.roots:
            yield from self._walk(root)

    def _beside_root(self) -> Iterator[Path]:
        """Files above the root in the same repository, such as a README that the crate includes."""
        above: list[Path] = []
        for parent in (self.roots[0], *self.roots[0].parents):
            above.append(parent)
            if (parent / ".git").exists():
                for folder in above[1:]:
                    yield from (path for path in sorted(folder.iterdir()) if path.is_file())
                return

    def _walk(self, folder: Path) -> Iterator[Path]:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                path = folder / entry.name
                if entry.is_symlink() or entry.is_file():
                    yield path
                elif entry.is_dir() and entry.name not in SKIPPED and path != self._home:
                    if (path / ".cargo-checksum.json").exists():
                        yield path
                    else:
                        yield from self._walk(path)

    def _copy(self, source: Path, size: int) -> None:
        place = self.place(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        _remove(place)
        if source.is_symlink():
            place.symlink_to(source.readlink())
        elif source.is_dir() or size > LARGEST_COPY:
            place.symlink_to(source)
        else:
            shutil.copy(source, place)

    def _read_index(self) -> dict[str, Stamp]:
        try:
            index: dict[str, Stamp] = json.loads(self._index_file.read_text("utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(self.tree, ignore_errors=True)
            return {}
        return index

    def _write_index(self) -> None:
        temporary = self._index_file.with_suffix(".new")
        temporary.write_text(json.dumps(self._index), "utf-8")
        temporary.replace(self._index_file)


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
