"""Readers: from what lies on disk to documents. One file a kind of source; this one chooses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from m31r_core.errors import ConfigError, M31RError
from m31r_data.config import ArchiveLimits, SourceConfig, SourceKind
from m31r_data.document import Document, Dropped
from m31r_data.readers import crate_files, crates, debian, git, pack, parquet, sdists
from m31r_data.units import Reader, Unit

_READERS: dict[str, Reader] = {
    "pack": pack.READER,
    "crates": crates.READER,
    "crate-files": crate_files.READER,
    "sdists": sdists.READER,
    "debian": debian.READER,
    "git": git.READER,
    "parquet": parquet.READER,
}
# By the ends of files' names; what is no file of these is a folder of crates.
_SUFFIXES: tuple[tuple[SourceKind, tuple[str, ...]], ...] = (
    ("pack", pack.SUFFIXES),
    ("crate-files", crate_files.SUFFIXES),
    ("debian", debian.SUFFIXES),
    ("parquet", parquet.SUFFIXES),
    ("sdists", sdists.SUFFIXES),
)


def list_units(
    sources: Sequence[SourceConfig], spool: Path, unit_bytes: int, limits: ArchiveLimits
) -> Iterator[Unit]:
    """Yield the units of all sources, ordered by (the source's place, the unit's name).

    `spool` is a folder, made when needed, where packs that cannot be read from the middle are
    unpacked; their units have about `unit_bytes` bytes. `limits` are those of `read_unit`. Raises
    M31RError naming a source that is missing, broken or of no known kind.
    """
    for place, source in enumerate(sources):
        reader = _READERS[kind_of_source(source)]
        yield from reader.units(source, place, spool, unit_bytes, limits)


def read_unit(
    unit: Unit, sources: Sequence[SourceConfig], limits: ArchiveLimits
) -> Iterator[Document | Dropped]:
    """Yield the documents of a unit, and what of it was dropped, in a fixed order.

    Raises M31RError naming what is broken.
    """
    return _READERS[unit.reader].read(unit, sources[unit.source], limits)


def kind_of_source(source: SourceConfig) -> SourceKind:
    """Return how a source is to be read: as configured, or, with `auto`, by what is there.

    A folder with a `.git` is a folder of crates unless a commit is named. Raises M31RError when
    nothing is there and ConfigError when it could be several kinds.
    """
    path = source.path
    if not path.exists():
        raise M31RError(f"{path}: no such file or folder; see 'sources' in the configuration")
    if source.kind != "auto":
        return source.kind
    if path.is_file():
        names = [path.name]
    elif git.is_bare(path) or (source.commit != "HEAD" and (path / ".git").exists()):
        return "git"
    elif any((folder / "Cargo.toml").is_file() for folder in (path, *path.iterdir())):
        return "crates"
    else:
        names = [file.name for pattern in ("*", "*/*") for file in path.glob(pattern)]
    kinds = [kind for kind, ends in _SUFFIXES if any(name.endswith(ends) for name in names)]
    if len(kinds) > 1:
        raise ConfigError(f"{path}: holds {' and '.join(kinds)}; set 'kind' of the source")
    if kinds:
        return kinds[0]
    if path.is_file():
        raise ConfigError(f"{path}: not a kind of file that is known; set 'kind' of the source")
    return "crates"
