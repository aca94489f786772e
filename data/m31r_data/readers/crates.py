"""Folders of crates or workspaces, a cargo registry's `src`, vendor folders: a unit for each crate.

What lies in no crate is not read, nor are hidden folders, links and what cargo built.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from m31r_core.errors import M31RError
from m31r_data.config import ArchiveLimits, SourceConfig
from m31r_data.document import Document, Dropped
from m31r_data.licences.licence import below, folders_above, join
from m31r_data.readers.names import context_folder, is_context, printable
from m31r_data.readers.project import LINK, TOO_LARGE, Project
from m31r_data.units import Reader, Unit

# Enough to know a crate by, without parsing 600 manifests whenever units are listed.
_PACKAGE = re.compile(rb"^[ \t]*(?:\[[ \t]*[\"']?package\b|package[ \t]*[.=])", re.MULTILINE)
_MAX_CONTEXT_BYTES = 1_000_000


def _units(
    source: SourceConfig, place: int, spool: Path, unit_bytes: int, limits: ArchiveLimits
) -> Iterator[Unit]:
    top = source.path
    manifests: dict[str, bool] = {}
    files: dict[str, _Files] = defaultdict(_Files)
    context: dict[str, list[str]] = defaultdict(list)
    for folder, entries in _walk(top, ""):
        for entry in entries:
            if entry.name == "Cargo.toml":
                manifests[folder] = not entry.is_symlink() and _has_package(Path(entry.path))
        home = next((above for above in folders_above(join(folder, "x")) if above in manifests), "")
        for entry in entries:
            path = join(folder, entry.name)
            stat = entry.stat(follow_symlinks=False)
            files[home].add(below(home, path) or path, stat)
            if is_context(path):
                context[context_folder(path)].append(_print(path, stat))
    crates = [folder for folder, is_crate in manifests.items() if is_crate]
    if not crates:
        raise M31RError(f"{top}: no crates there; see 'sources' in the configuration")
    for folder in sorted(crates, key=lambda folder: folder or "."):
        parents = folders_above(folder) if folder else []
        above = "\n".join(line for parent in parents for line in context[parent])
        files[folder].hash.update(f"\n\n{above}".encode())
        yield Unit(
            source=place,
            name=printable(folder) or ".",
            reader="crates",
            path=top / folder,
            fingerprint=files[folder].hash.hexdigest(),
            size=files[folder].size,
        )


class _Files:
    """The files of a crate as far as they tell whether it changed: a hash, not a list, or a folder
    of 100,000 crates would fill the memory.
    """

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.size = 0

    def add(self, path: str, stat: os.stat_result) -> None:
        self.hash.update(f"{_print(path, stat)}\n".encode())
        if path.endswith(".rs"):
            self.size += stat.st_size


def _read(unit: Unit, source: SourceConfig, limits: ArchiveLimits) -> Iterator[Document | Dropped]:
    inside = unit.path.relative_to(source.path).as_posix()
    base = "" if inside == "." else inside
    project = Project(FolderTree(source.path), one_project=False)
    for path, entry in sorted(_rust_files(source.path, base), key=lambda found: found[0]):
        if entry.is_symlink():
            yield project.drop(path, LINK)
            continue
        try:
            if entry.stat(follow_symlinks=False).st_size > limits.max_file_bytes:
                yield project.drop(path, TOO_LARGE)
            else:
                yield project.document(path, Path(entry.path).read_bytes())
        except OSError as error:
            raise M31RError(f"{entry.path}: {error.strerror}") from error


READER = Reader(_units, _read)


class FolderTree:
    """A folder on disk as a tree; links are not followed, neither of files nor of folders."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._real = top.resolve()
        self._names: dict[str, list[str]] = {}

    def read(self, path: str) -> bytes | None:
        """Return the content of a small file, or None when it is none."""
        file = self._top / path
        try:
            if file.resolve() != self._real / path or not file.is_file():
                return None
            with file.open("rb") as stream:
                return stream.read(_MAX_CONTEXT_BYTES)
        except (OSError, ValueError):
            return None

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in `folder`, sorted."""
        if folder not in self._names:
            try:
                with os.scandir(self._top / folder) as entries:
                    found = [e.name for e in entries if e.is_file(follow_symlinks=False)]
            except OSError:
                found = []
            self._names[folder] = sorted(found)
        return self._names[folder]


def _walk(top: Path, folder: str) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Yield folders below `top` with the files and links in them, sorted, parents first."""
    pending = [folder]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(top / folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            raise M31RError(f"{top / folder}: {error.strerror}") from error
        entries = [e for e in entries if not e.name.startswith(".") or e.name == ".reuse"]
        names = {entry.name for entry in entries}
        if "CACHEDIR.TAG" in names and folder:
            continue
        folders = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
        if "Cargo.toml" in names:
            folders = [name for name in folders if name != "target"]
        pending += [join(folder, name) for name in reversed(folders)]
        yield folder, [e for e in entries if e.is_symlink() or e.is_file(follow_symlinks=False)]


def _rust_files(top: Path, base: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield what ends in `.rs` in the crate at `base`, leaving out the crates inside it."""
    inner: list[str] = []
    for folder, entries in _walk(top, base):
        if folder != base and any(entry.name == "Cargo.toml" for entry in entries):
            inner.append(folder)
        if not any(below(other, join(folder, "x")) for other in inner):
            for entry in entries:
                if entry.name.endswith(".rs"):
                    yield join(folder, entry.name), entry


def _has_package(manifest: Path) -> bool:
    try:
        return bool(_PACKAGE.search(manifest.read_bytes()))
    except OSError:
        return False


def _print(path: str, stat: os.stat_result) -> str:
    return f"{os.fsencode(path).hex()} {stat.st_size} {stat.st_mtime_ns}"
