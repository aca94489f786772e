"""A local git repository at a commit. Units are crates, known by their trees: what did not change
between two commits is not read again.

The repository may be anybody's. Only plumbing that runs no hooks and no filters is used, objects
are named by their hashes, nothing is fetched, and no configuration but the repository's own is
read, whose ways to run programs are closed.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from m31r_core.errors import M31RError
from m31r_data.config import ArchiveLimits, SourceConfig
from m31r_data.document import Document, Dropped
from m31r_data.licences.licence import folders_above, join
from m31r_data.readers.archive import MemoryTree
from m31r_data.readers.names import (
    context_folder,
    is_context,
    is_hidden,
    is_manifest,
    is_printable,
    leads_outside,
)
from m31r_data.readers.project import BAD_NAME, LINK, TOO_LARGE, Project
from m31r_data.units import Reader, Unit

_MAX_CONTEXT_BYTES = 1_000_000
_LINK, _FOLDER = "120000", "040000"
_CHUNK = 1 << 16
_SECONDS = 60
_OPTIONS = (
    "--no-pager",
    "--no-replace-objects",
    "--no-optional-locks",
    *("-c", "protocol.allow=never"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.attributesFile=/dev/null"),
)
_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
}


class _Entry(NamedTuple):
    mode: str
    oid: str
    size: int
    path: str


def is_bare(path: Path) -> bool:
    """Say whether a folder is a git repository without files beside it."""
    return all((path / name).exists() for name in ("HEAD", "objects", "refs"))


def _units(
    source: SourceConfig, place: int, spool: Path, unit_bytes: int, limits: ArchiveLimits
) -> Iterator[Unit]:
    repository = _Repository(source.path)
    top = repository.resolve(f"{source.commit}^{{commit}}^{{tree}}")
    entries = list(repository.entries(top, limits.max_files))
    trees = {entry.path: entry.oid for entry in entries if entry.mode == _FOLDER} | {"": top}
    context = {
        entry.path: entry.oid
        for entry in entries
        if _is_small_file(entry) and is_context(entry.path)
    }
    crates = {path.rpartition("/")[0] for path in context if is_manifest(path)}
    sizes: dict[str, int] = defaultdict(int)
    for entry in entries:
        if entry.path.endswith(".rs"):
            homes = (folder for folder in folders_above(entry.path) if folder in crates)
            sizes[next(homes, "")] += entry.size
    if not crates:
        raise M31RError(f"{source.path}: no Cargo.toml at {source.commit}")
    for folder in sorted(crates, key=lambda folder: folder or "."):
        if not sizes[folder] or is_hidden(folder) or not is_printable(folder):
            continue
        parents = folders_above(folder) if folder else []
        above = {path: oid for path, oid in context.items() if context_folder(path) in parents}
        yield Unit(
            source=place,
            name=folder or ".",
            reader="git",
            path=source.path,
            fingerprint=json.dumps({"tree": trees[folder], "above": above}, sort_keys=True),
            size=sizes[folder],
        )


def _read(unit: Unit, source: SourceConfig, limits: ArchiveLimits) -> Iterator[Document | Dropped]:
    repository = _Repository(unit.path)
    folder = "" if unit.name == "." else unit.name
    objects = json.loads(unit.fingerprint)
    entries = [
        entry._replace(path=join(folder, entry.path))
        for entry in repository.entries(objects["tree"], limits.max_files)
        if entry.mode != _FOLDER
    ]
    inner = {
        path.rpartition("/")[0]
        for path in (entry.path for entry in entries if is_manifest(entry.path))
    } - {folder}
    with repository.blobs() as blob:
        context = dict(objects["above"])
        for entry in entries:
            if _is_small_file(entry) and is_context(entry.path):
                context[entry.path] = entry.oid
        tree = MemoryTree({path: blob(oid) for path, oid in context.items()})
        project = Project(tree, one_project=True)
        for entry in entries:
            path = entry.path
            if not path.endswith(".rs") or is_hidden(path):
                continue
            if any(above in inner for above in folders_above(path)):
                continue
            if entry.mode == _LINK:
                yield project.drop(path, LINK)
            elif leads_outside(path):
                yield project.drop(path, BAD_NAME)
            elif entry.size > limits.max_file_bytes:
                yield project.drop(path, TOO_LARGE)
            else:
                yield project.document(path, blob(entry.oid))


READER = Reader(_units, _read)


class _Repository:
    """What is asked of git."""

    def __init__(self, path: Path) -> None:
        folder = path / ".git"
        self._path = path
        self._command = ["git", f"--git-dir={folder if folder.exists() else path}", *_OPTIONS]
        self._environment = {**_ENVIRONMENT, "PATH": os.environ.get("PATH", os.defpath)}

    def resolve(self, name: str) -> str:
        """Return the hash of an object. Raises M31RError when there is none of that name."""
        command = ["rev-parse", "--verify", "--quiet", "--end-of-options", name]
        with self._run(command) as process:
            try:
                out, _ = process.communicate(timeout=_SECONDS)
            except subprocess.TimeoutExpired as error:
                process.kill()
                raise M31RError(f"{self._path}: git does not answer") from error
        if process.returncode != 0:
            shown = name.removesuffix("^{tree}").removesuffix("^{commit}")
            raise M31RError(f"{self._path}: no commit {shown!r} in a git repository there")
        return out.decode("ascii").strip()

    def entries(self, tree: str, at_most: int) -> Iterator[_Entry]:
        """Yield everything below a tree, folders too, in git's order; no submodules.

        Raises M31RError when that is more than `at_most`: a tree that holds itself ten times over,
        ten levels deep, is small on disk.
        """
        with self._run(["ls-tree", "-r", "-t", "-z", "--long", tree]) as process:
            stdout = _pipe(process.stdout)
            for number, line in enumerate(_records(stdout)):
                if number >= at_most:
                    process.kill()
                    raise M31RError(
                        f"{self._path}: more than {at_most} files ('archives.max_files')"
                    )
                head, _, name = line.partition(b"\t")
                mode, kind, oid, size = head.decode("ascii").split()
                if kind != "commit":
                    if size != "-" and not size.isdigit():
                        raise M31RError(f"{self._path}: git has no object {oid}; see git fsck")
                    path = name.decode("utf-8", "surrogateescape")
                    yield _Entry(mode, oid, 0 if size == "-" else int(size), path)
        if process.returncode != 0:
            raise M31RError(f"{self._path}: git cannot list {tree}; see git fsck")

    @contextmanager
    def blobs(self) -> Iterator[Callable[[str], bytes]]:
        """Give a function that returns the content of a blob by its hash."""
        with self._run(["cat-file", "--batch"]) as process:
            stdin, stdout = _pipe(process.stdin), _pipe(process.stdout)

            def blob(oid: str) -> bytes:
                try:
                    stdin.write(f"{oid}\n".encode("ascii"))
                    stdin.flush()
                    answer = stdout.readline().split()
                    data = stdout.read(int(answer[2]) + 1)[:-1]
                except (OSError, IndexError, ValueError) as error:
                    raise M31RError(f"{self._path}: git has no object {oid}") from error
                return data

            try:
                yield blob
            finally:
                process.kill()

    def _run(self, arguments: list[str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [*self._command, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environment,
                cwd="/",
            )
        except FileNotFoundError as error:
            raise M31RError("git not found; install it to read git repositories") from error


def _is_small_file(entry: _Entry) -> bool:
    return entry.mode not in (_FOLDER, _LINK) and entry.size <= _MAX_CONTEXT_BYTES


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise AssertionError("started with pipes")
    return stream


def _records(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield what NUL bytes end."""
    rest = b""
    while chunk := stream.read(_CHUNK):
        *records, rest = (rest + chunk).split(b"\0")
        yield from records
