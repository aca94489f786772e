"""Prepared documents on disk: compressed JSON Lines, the dropped ones among them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import zstandard

from m31r_core.errors import M31RError
from m31r_data.document import Document

_LEVEL = 3


@dataclass(frozen=True)
class Prepared:
    """A document behind the filters; `reason` says why it was dropped, if it was.

    A dropped one keeps the text that it had when it was. `read_bytes` is the size of the text as it
    was read. `masked` counts the secrets and personal data that were taken out, by kind.
    """

    document: Document
    read_bytes: int
    reason: str = ""
    masked: tuple[tuple[str, int], ...] = ()


def write_prepared(path: Path, rows: Iterable[Prepared]) -> None:
    """Write `rows` in their order; the same rows give the same bytes."""
    write_lines(path, map(asdict, rows))


def read_prepared(path: Path) -> Iterator[Prepared]:
    """Yield the rows of a file that `write_prepared` wrote. Raises M31RError naming it."""
    for row in read_lines(path):
        masked = tuple((kind, count) for kind, count in row["masked"])
        yield Prepared(Document(**row["document"]), row["read_bytes"], row["reason"], masked)


def write_lines(path: Path, rows: Iterable[object]) -> None:
    """Write JSON Lines, zstd-compressed."""
    compressor = zstandard.ZstdCompressor(level=_LEVEL)
    with path.open("wb") as raw, compressor.stream_writer(raw) as stream:
        for row in rows:
            line = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
            stream.write(line.encode("utf-8", errors="surrogatepass") + b"\n")


def read_lines(path: Path) -> Iterator[dict]:  # type: ignore[type-arg]
    """Yield the objects of a file that `write_lines` wrote. Raises M31RError naming it."""
    try:
        with path.open("rb") as raw:
            stream: IO[bytes] = zstandard.ZstdDecompressor().stream_reader(raw)
            text = io.TextIOWrapper(stream, encoding="utf-8", errors="surrogatepass", newline="\n")
            for line in text:
                yield json.loads(line)
    except (OSError, ValueError, zstandard.ZstdError) as error:
        raise M31RError(f"{path}: damaged ({error}); delete it and build again") from error
