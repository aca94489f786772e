"""Packs: JSON Lines, a document a line, as they were frozen or as The Stack's rows come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from m31r_core.errors import M31RError
from m31r_data.config import ArchiveLimits, SourceConfig
from m31r_data.document import Document, Dropped
from m31r_data.readers.files import fingerprint_of, source_files
from m31r_data.readers.project import TOO_LARGE
from m31r_data.readers.rows import document_of_row
from m31r_data.readers.spool import first_line, open_unpacked, spooled
from m31r_data.readers.streams import DAMAGE
from m31r_data.units import Reader, Unit

SUFFIXES = (".jsonl", ".jsonl.zst", ".jsonl.gz")
# JSON writes a byte of text as six at most (`\u0001`); the rest is for the other columns.
_ESCAPED = 6
_OTHER_COLUMNS = 1_000_000
_CHUNK = 1 << 20


def _units(
    source: SourceConfig, place: int, spool: Path, unit_bytes: int, limits: ArchiveLimits
) -> Iterator[Unit]:
    for name, path in source_files(source.path, SUFFIXES):
        if path.suffix == ".jsonl":
            size = path.stat().st_size
            for number, start in enumerate(range(0, size, unit_bytes)):
                end = min(start + unit_bytes, size)
                label = f"{name}#{number:06d}"
                yield Unit(
                    place, label, "pack", path, fingerprint_of(path), end - start, start, end
                )
        else:
            folder, pieces = spooled(path, spool, unit_bytes)
            for number, piece in enumerate(pieces):
                label = f"{name}#{number:06d}"
                yield Unit(place, label, "pack", folder / piece.name, piece.sha256, piece.size)


def _read(unit: Unit, source: SourceConfig, limits: ArchiveLimits) -> Iterator[Document | Dropped]:
    longest = _ESCAPED * limits.max_file_bytes + _OTHER_COLUMNS
    number = 0
    try:
        with open_unpacked(unit.path) as stream:
            for line in _lines(stream, unit, longest):
                number += 1
                if line is None:
                    yield Dropped(Document("", "", unit.name, "", "src", ""), TOO_LARGE)
                elif not line.isspace():
                    row = json.loads(line.decode("utf-8"))
                    yield document_of_row(row, source, limits)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        missing = isinstance(error, KeyError)
        what = f"no column {error}; the source's options name its columns" if missing else error
        line_number = number + _lines_before(unit)
        file, _, _ = unit.name.rpartition("#")
        raise M31RError(f"{file}: line {line_number} is not a document ({what})") from error
    except (OSError, *DAMAGE) as error:
        raise M31RError(f"{unit.path}: cannot be read ({error})") from error


READER = Reader(_units, _read)


def _lines(stream: IO[bytes], unit: Unit, longest: int) -> Iterator[bytes | None]:
    """Yield the lines that start in the unit's range; None for each longer than `longest`."""
    position = unit.start
    if unit.start:
        stream.seek(unit.start - 1)
        position += _skip_line(stream) - 1
    while not unit.end or position < unit.end:
        line = stream.readline(longest + 1)
        position += len(line)
        if not line:
            return
        if len(line) <= longest:
            yield line
        else:
            if not line.endswith(b"\n"):
                position += _skip_line(stream)
            yield None


def _skip_line(stream: IO[bytes]) -> int:
    """Read to the end of the line; return the number of bytes."""
    skipped = 0
    while part := stream.readline(_CHUNK):
        skipped += len(part)
        if part.endswith(b"\n"):
            break
    return skipped


def _lines_before(unit: Unit) -> int:
    """Return the number of lines of the pack before the first one of the unit."""
    if not unit.end:
        return first_line(unit.path.name) - 1
    if not unit.start:
        return 0
    with unit.path.open("rb") as stream:
        lines, left = 1, unit.start - 1
        while chunk := stream.read(min(_CHUNK, left)):
            lines += chunk.count(b"\n")
            left -= len(chunk)
    return lines
