"""Python source distributions that hold Rust. Their build is never run: the archive is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from m31r_data.config import ArchiveLimits, SourceConfig
from m31r_data.document import Document, Dropped
from m31r_data.readers.archive import archive_units, read_archive
from m31r_data.readers.tars import tar_members
from m31r_data.readers.zips import zip_members
from m31r_data.units import Reader, Unit

SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar", ".zip")


def _units(
    source: SourceConfig, place: int, spool: Path, unit_bytes: int, limits: ArchiveLimits
) -> Iterator[Unit]:
    return archive_units(source, place, "sdists", SUFFIXES)


def _read(unit: Unit, source: SourceConfig, limits: ArchiveLimits) -> Iterator[Document | Dropped]:
    members = zip_members if unit.path.suffix == ".zip" else tar_members
    return read_archive(unit, limits, members)


READER = Reader(_units, _read)
