"""What all archives have in common: nobody vouches for them, so they are looked through first.

An archive that breaks a limit or does what no source package needs is refused whole, before any
document of it is yielded. Nothing is unpacked to disk, links are never followed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from m31r_core.errors import M31RError
from m31r_data.config import ArchiveLimits, SourceConfig
from m31r_data.document import Document, Dropped
from m31r_data.readers.files import fingerprint_of, source_files
from m31r_data.readers.names import is_context, is_hidden, leads_outside, plain, printable
from m31r_data.readers.project import LINK, TOO_LARGE, Project
from m31r_data.units import Unit

# What archives of source text grow by, to estimate sizes.
_USUAL_RATIO = 5
_MAX_CONTEXT_BYTES = 1_000_000
_MAX_CONTEXT = 64_000_000


class RefusedError(Exception):
    """An archive must not be read. The message is a short constant."""


@dataclass(frozen=True)
class Member:
    """A file or link of an archive; `read` works until the next member is asked for, and raises
    RefusedError when the archive is damaged there.
    """

    name: str
    size: int
    link: bool
    read: Callable[[], bytes]


Members = Callable[[Path, ArchiveLimits], Iterator[Member]]


def archive_units(
    source: SourceConfig, place: int, reader: str, suffixes: tuple[str, ...]
) -> Iterator[Unit]:
    """Yield a unit for each archive of the source."""
    for name, path in source_files(source.path, suffixes, deep=True):
        size = path.stat().st_size * _USUAL_RATIO
        yield Unit(place, printable(name), reader, path, fingerprint_of(path), size)


def read_archive(
    unit: Unit, limits: ArchiveLimits, members: Members, strip: str = ""
) -> Iterator[Document | Dropped]:
    """Yield the Rust files of an archive's crates, in the archive's order.

    It is gone through twice: to check everything and keep what tells about licences, then for the
    documents. `strip` is a folder that paths are relative to.
    """
    try:
        context = _survey(members(unit.path, limits), limits, strip)
    except RefusedError as refusal:
        empty = Document("", "", unit.name, "", "src", "")
        yield Dropped(empty, f"archive refused: {refusal}")
        return
    project = Project(MemoryTree(context), one_project=True, copyright=_copyright(context))
    try:
        for member in members(unit.path, limits):
            path = _path(member, strip)
            if not path.endswith(".rs") or is_hidden(path):
                continue
            if member.link:
                yield project.drop(path, LINK)
            elif member.size > limits.max_file_bytes:
                yield project.drop(path, TOO_LARGE)
            else:
                yield project.document(path, member.read())
    except RefusedError as error:
        raise M31RError(f"{unit.path}: changed while it was read") from error


class MemoryTree:
    """Files in memory as a tree."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files
        self._names: dict[str, list[str]] = {}
        for path in sorted(files):
            folder, _, name = path.rpartition("/")
            self._names.setdefault(folder, []).append(name)

    def read(self, path: str) -> bytes | None:
        """Return the content of a file, or None when it is none."""
        return self._files.get(path)

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in `folder`, sorted."""
        return self._names.get(folder, [])


def _survey(members: Iterator[Member], limits: ArchiveLimits, strip: str) -> dict[str, bytes]:
    """Check every member; return the manifests and licence files. Raises RefusedError."""
    context: dict[str, bytes] = {}
    seen: set[str] = set()
    held = 0
    for member in members:
        if leads_outside(member.name):
            raise RefusedError("a name leads outside")
        path = _path(member, strip)
        if path in seen:
            raise RefusedError("a name stands there twice")
        seen.add(path)
        if len(seen) > limits.max_files:
            raise RefusedError("too many files")
        if member.link or member.size > limits.max_file_bytes:
            continue
        if is_context(path) and member.size <= _MAX_CONTEXT_BYTES:
            context[path] = member.read()
            held += member.size
            if held > _MAX_CONTEXT:
                raise RefusedError("too many manifests")
        elif path.endswith(".rs"):
            member.read()
    return context


def _path(member: Member, strip: str) -> str:
    return plain(member.name).removeprefix(strip)


def _copyright(context: dict[str, bytes]) -> str:
    """Return the debian/copyright of a binary package."""
    for path, content in context.items():
        if path.endswith("/copyright") and "share/doc/" in path:
            return content.decode("utf-8", errors="replace")
    return ""
