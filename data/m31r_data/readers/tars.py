"""Tar archives in every compression, read as streams that end at their limits."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, cast

from m31r_core.errors import M31RError
from m31r_data.config import ArchiveLimits
from m31r_data.readers.archive import Member, RefusedError
from m31r_data.readers.streams import DAMAGE, unpacked

DAMAGED = "damaged"
_BLOCK = 512
_CHUNK = 1 << 16
# Bytes that the headers of one member may take: names, attributes, the maps of sparse files.
_MAX_HEADER = 1_000_000
# The ratio means something only beyond what padding alone explains.
_MIN_RATIO_BYTES = 1_000_000

_BROKEN = (tarfile.TarError, *DAMAGE, ValueError, OverflowError, RecursionError)


def tar_members(path: Path, limits: ArchiveLimits) -> Iterator[Member]:
    """Yield the members of a tar archive, as `stream_members` does."""
    try:
        with path.open("rb") as raw:
            size = path.stat().st_size
            yield from stream_members(raw, path.name, size, limits)
    except OSError as error:
        raise M31RError(f"{path}: {error.strerror or error}") from error


def stream_members(
    raw: IO[bytes], name: str, packed: int, limits: ArchiveLimits
) -> Iterator[Member]:
    """Yield the members of a tar archive of `packed` bytes, compressed as its `name` ends.

    Raises RefusedError for one that is damaged, breaks a limit, or holds more than files, folders
    and links.
    """
    stream = _Metered(unpacked(raw, name), packed, limits)
    stream.header_left = _MAX_HEADER  # the first header is read when the archive is opened
    try:
        with tarfile.TarFile(fileobj=cast(IO[bytes], stream), mode="r") as archive:
            while True:
                member = _next(archive, stream)
                if member is None:
                    break
                if member.isdir():
                    continue
                is_link = member.issym() or member.islnk()
                if not is_link and (not member.isfile() or member.sparse):
                    raise RefusedError("not a regular file")
                read = partial(_content, archive, member)
                yield Member(member.name, member.size, is_link, read)
                # Or it would remember them all.
                archive.members = []  # type: ignore[attr-defined]
            stream.drain()
    except _BROKEN as error:
        raise RefusedError(DAMAGED) from error


def _next(archive: tarfile.TarFile, stream: _Metered) -> tarfile.TarInfo | None:
    stream.header_left = _MAX_HEADER
    member = archive.next()
    stream.header_left = None
    if member is None and stream.last != bytes(_BLOCK):
        raise RefusedError(DAMAGED)  # tarfile takes garbage and a missing end for the end
    return member


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    try:
        file = archive.extractfile(member)
        return file.read() if file is not None else b""
    except _BROKEN as error:
        raise RefusedError(DAMAGED) from error


class _Metered:
    """A stream that can be read and wound forward, and refuses to yield more than is allowed."""

    def __init__(self, stream: IO[bytes], packed: int, limits: ArchiveLimits) -> None:
        self._stream = stream
        self._position = 0
        self._ratio_bytes = max(packed * limits.max_ratio, _MIN_RATIO_BYTES)
        self._max_bytes = limits.max_bytes
        self.header_left: int | None = None
        self.last = b""

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        if self.header_left is not None:
            self.header_left -= size
            if size < 0 or self.header_left < 0:
                raise RefusedError("too large a header")
        parts = []
        while size > 0 and (data := self._take(min(size, _CHUNK))):
            parts.append(data)
            size -= len(data)
        self.last = b"".join(parts)
        return self.last

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or position < self._position:
            raise RefusedError(DAMAGED)
        while self._position < position and self._take(min(position - self._position, _CHUNK)):
            pass
        return self._position

    def drain(self) -> None:
        """Read to the end: that is where compressed streams keep their checksums."""
        while self._take(_CHUNK):
            pass

    def _take(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._position += len(data)
        if self._position > self._max_bytes:
            raise RefusedError("unpacks to too much")
        if self._position > self._ratio_bytes:
            raise RefusedError("packed too well")
        return data
