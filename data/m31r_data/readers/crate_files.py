"""`.crate` files, as crates.io serves them and a cargo registry's `cache` keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from m31r_data.config import ArchiveLimits, SourceConfig
from m31r_data.document import Document, Dropped
from m31r_data.readers.archive import archive_units, read_archive
from m31r_data.readers.tars import tar_members
from m31r_data.units import Reader, Unit

SUFFIXES = (".crate",)


def _units(
    source: SourceConfig, place: int, spool: Path, unit_bytes: int, limits: ArchiveLimits
) -> Iterator[Unit]:
    return archive_units(source, place, "crate-files", SUFFIXES)


def _read(unit: Unit, source: SourceConfig, limits: ArchiveLimits) -> Iterator[Document | Dropped]:
    return read_archive(unit, limits, tar_members)


READER = Reader(_units, _read)
