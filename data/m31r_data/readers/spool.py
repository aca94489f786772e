"""Compressed packs, cut into pieces that can be read on their own: once, then kept.

A piece holds whole lines, is compressed again (lightly), and is known by a hash of its content: a
pack that was fetched again or grew at its end costs only the pieces that differ.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import zstandard

from m31r_core.errors import M31RError
from m31r_data.readers.streams import DAMAGE, unpacked

_CHUNK = 1 << 20
_LEVEL = 1
_INDEX = "index.json"
_FORMAT = 1


@dataclass(frozen=True)
class Piece:
    """A part of a pack: `size` is its bytes of text, `stored` the bytes of its file."""

    name: str
    size: int
    stored: int
    sha256: str


def spooled(pack: Path, spool: Path, piece_bytes: int) -> tuple[Path, list[Piece]]:
    """Return the folder of the pack's pieces, and the pieces; make them if they are not there.

    Memory stays flat. Raises M31RError naming a pack that cannot be read. One process at a time
    may spool the same pack to the same folder.
    """
    folder = spool / _key(pack, piece_bytes)
    known = _load(folder)
    if known is not None:
        return folder, known
    partial = folder.with_name(f"{folder.name}.partial")
    for stale in (partial, *spool.glob(f"{_key_of_place(pack)}-*")):
        shutil.rmtree(stale, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        pieces = list(_cut(pack, partial, piece_bytes))
    except (OSError, *DAMAGE) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise M31RError(f"{pack}: cannot be unpacked ({error})") from error
    index = {"format": _FORMAT, "pieces": [asdict(piece) for piece in pieces]}
    (partial / _INDEX).write_text(json.dumps(index), encoding="utf-8")
    partial.rename(folder)
    return folder, pieces


@contextmanager
def open_unpacked(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading what the end of its name says is packed."""
    with path.open("rb") as raw:
        yield unpacked(raw, path.name)


def first_line(piece: str) -> int:
    """Return the number of the first line in the piece of this name."""
    return int(piece.partition(".")[0].partition("-")[2])


def _cut(pack: Path, folder: Path, piece_bytes: int) -> Iterator[Piece]:
    """Write pieces that end with the first line that reaches `piece_bytes`."""
    line = 1
    with open_unpacked(pack) as stream:
        rest = stream.read(_CHUNK)
        number = 0
        while rest:
            name = f"{number:06d}-{line}.jsonl.zst"
            writer = _Writer(folder / name)
            with writer:
                while rest:
                    end = rest.find(b"\n", max(piece_bytes - writer.size - 1, 0)) + 1
                    writer.write(rest[:end] if end else rest)
                    rest = rest[end:] if end else b""
                    rest = rest or stream.read(_CHUNK)
                    if end:
                        break
            stored = (folder / name).stat().st_size
            yield Piece(name, writer.size, stored, writer.hash.hexdigest())
            line += writer.lines
            number += 1


class _Writer:
    """A compressed file that counts and hashes what it is given."""

    def __init__(self, path: Path) -> None:
        self.size = 0
        self.lines = 0
        self.hash = hashlib.sha256()
        self._stack = ExitStack()
        file = self._stack.enter_context(path.open("wb"))
        compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self._packed = self._stack.enter_context(compressor.stream_writer(file, closefd=False))

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def write(self, data: bytes) -> None:
        self.size += len(data)
        self.lines += data.count(b"\n")
        self.hash.update(data)
        self._packed.write(data)


def _load(folder: Path) -> list[Piece] | None:
    """Return the pieces in a finished spool folder; None when something is missing there."""
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        if index["format"] != _FORMAT:
            return None
        pieces = [Piece(**piece) for piece in index["pieces"]]
        whole = all((folder / p.name).stat().st_size == p.stored for p in pieces)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pieces if whole else None


def _key_of_place(pack: Path) -> str:
    return hashlib.sha256(str(pack.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _key(pack: Path, piece_bytes: int) -> str:
    try:
        stat = pack.stat()
    except OSError as error:
        raise M31RError(f"{pack}: {error.strerror}") from error
    content = f"{stat.st_size} {stat.st_mtime_ns} {piece_bytes}"
    return f"{_key_of_place(pack)}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
