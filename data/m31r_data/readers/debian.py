"""Debian's librust-*-dev packages: crates in `usr/share/cargo/registry`, and a copyright file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from m31r_core.errors import M31RError
from m31r_data.config import ArchiveLimits, SourceConfig
from m31r_data.document import Document, Dropped
from m31r_data.readers.archive import Member, RefusedError, archive_units, read_archive
from m31r_data.readers.streams import Part
from m31r_data.readers.tars import DAMAGED, stream_members
from m31r_data.units import Reader, Unit

SUFFIXES = (".deb",)
_REGISTRY = "usr/share/cargo/registry/"

# The ar format: https://en.wikipedia.org/wiki/Ar_(Unix)
_MAGIC = b"!<arch>\n"
_HEADER = 60
_MAX_MEMBERS = 32


def _units(
    source: SourceConfig, place: int, spool: Path, unit_bytes: int, limits: ArchiveLimits
) -> Iterator[Unit]:
    return archive_units(source, place, "debian", SUFFIXES)


def _read(unit: Unit, source: SourceConfig, limits: ArchiveLimits) -> Iterator[Document | Dropped]:
    return read_archive(unit, limits, deb_members, strip=_REGISTRY)


READER = Reader(_units, _read)


def deb_members(path: Path, limits: ArchiveLimits) -> Iterator[Member]:
    """Yield the files that a package installs, as `tar_members` does."""
    try:
        with path.open("rb") as deb:
            name, size = _find_data(deb)
            part = io.BufferedReader(Part(deb, size))
            yield from stream_members(part, name, size, limits)
    except OSError as error:
        raise M31RError(f"{path}: {error.strerror or error}") from error


def _find_data(deb: IO[bytes]) -> tuple[str, int]:
    """Go to the `data.tar` of a package; return its whole name and its size."""
    if deb.read(len(_MAGIC)) != _MAGIC:
        raise RefusedError(DAMAGED)
    for _ in range(_MAX_MEMBERS):
        header = deb.read(_HEADER)
        if len(header) < _HEADER or not header.endswith(b"`\n"):
            break
        name = header[:16].decode("ascii", errors="replace").strip().rstrip("/")
        digits = header[48:58].strip()
        if not digits.isdigit():
            break
        if name.startswith("data.tar"):
            return name, int(digits)
        deb.seek(int(digits) + int(digits) % 2, 1)
    raise RefusedError(DAMAGED)
