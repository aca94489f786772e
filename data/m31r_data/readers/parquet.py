"""Parquet tables of the kind The Stack uses: units are runs of row groups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from m31r_core.errors import M31RError
from m31r_data.config import ArchiveLimits, SourceConfig
from m31r_data.document import Document, Dropped
from m31r_data.readers.files import fingerprint_of, source_files
from m31r_data.readers.rows import columns_of, document_of_row, optional_columns_of
from m31r_data.units import Reader, Unit

SUFFIXES = (".parquet",)
# Rows in memory at once.
_BATCH = 64


def _units(
    source: SourceConfig, place: int, spool: Path, unit_bytes: int, limits: ArchiveLimits
) -> Iterator[Unit]:
    for name, path in source_files(source.path, SUFFIXES, deep=True):
        table = _open(path, source)
        sizes = [table.metadata.row_group(i).total_byte_size for i in range(table.num_row_groups)]
        for number, (start, end) in enumerate(_runs(sizes, unit_bytes)):
            yield Unit(
                source=place,
                name=f"{name}#{number:06d}",
                reader="parquet",
                path=path,
                fingerprint=fingerprint_of(path),
                size=sum(sizes[start:end]),
                start=start,
                end=end,
            )


def _read(unit: Unit, source: SourceConfig, limits: ArchiveLimits) -> Iterator[Document | Dropped]:
    table = _open(unit.path, source)
    wanted = (*columns_of(source), *optional_columns_of(source))
    columns = [name for name in table.schema_arrow.names if name in wanted]
    batches = table.iter_batches(
        batch_size=_BATCH,
        row_groups=range(unit.start, unit.end),
        columns=columns,
        use_threads=False,
    )
    try:
        for batch in batches:
            for row in batch.to_pylist():
                yield document_of_row(row, source, limits)
    except (OSError, ValueError, TypeError) as error:
        raise M31RError(f"{unit.name}: not a table of documents ({error})") from error


READER = Reader(_units, _read)


def _open(path: Path, source: SourceConfig) -> Any:
    """Open a table that has the columns which `source` names."""
    from pyarrow.parquet import ParquetFile

    try:
        table = ParquetFile(path)
    except (OSError, ValueError) as error:
        raise M31RError(f"{path}: not a Parquet file ({error})") from error
    for column in columns_of(source):
        if column not in table.schema_arrow.names:
            raise M31RError(f"{path}: no column {column!r}; the source's options name its columns")
    return table


def _runs(sizes: list[int], wanted: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of runs of row groups that hold about `wanted` bytes each."""
    start, held = 0, 0
    for i, size in enumerate(sizes):
        if held and held + size > wanted:
            yield start, i
            start, held = i, 0
        held += size
    if start < len(sizes):
        yield start, len(sizes)
