"""Streams that undo compression, and notice what the usual ones let pass: an end that is missing, a
dictionary as large as all memory.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from typing import IO, cast

import zstandard

# What a damaged stream raises, beside OSError of the file below it.
DAMAGE = (gzip.BadGzipFile, lzma.LZMAError, zlib.error, zstandard.ZstdError, EOFError)

_CHUNK = 1 << 16
# Memory that undoing xz and zstd may take; long-range matching of frozen packs needs it.
_MAX_WINDOW = 2**27
# A few bytes of zstd can be a block of 128 KiB, and all blocks that were begun come out at once.
_ZST_BYTES = 1 << 10


def unpacked(raw: IO[bytes], name: str) -> IO[bytes]:
    """Undo the compression of `raw` that the end of `name` says; none when it says nothing.

    Reading raises one of `DAMAGE` when the stream is broken or ends too soon.
    """
    if name.endswith((".gz", ".tgz", ".crate")):
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw))
    if name.endswith(".bz2"):
        return cast(IO[bytes], bz2.BZ2File(raw))
    if name.endswith(".xz"):
        return io.BufferedReader(_Xz(raw), _CHUNK)
    if name.endswith(".zst"):
        return io.BufferedReader(_Zst(raw), _CHUNK)
    return raw


class Part(io.RawIOBase):
    """The next `size` bytes of a file."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill the buffer; return the number of bytes."""
        view = memoryview(cast(bytearray, buffer)).cast("B")
        data = self._file.read(min(self._left, len(view)))
        self._left -= len(data)
        view[: len(data)] = data
        return len(data)


class _Xz(io.RawIOBase):
    """An xz stream; `lzma.LZMAFile` cannot limit its memory."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_WINDOW)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer)).cast("B")
        while not self._decompressor.eof:
            packed = self._raw.read(_CHUNK) if self._decompressor.needs_input else b""
            if self._decompressor.needs_input and not packed:
                raise EOFError("it ends too soon")
            data = self._decompressor.decompress(packed, len(view))
            if data:
                view[: len(data)] = data
                return len(data)
        return 0


class _Zst(io.RawIOBase):
    """zstd frames; `zstandard`'s reader takes one that was cut off for a whole one."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._factory = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
        self._frame = self._factory.decompressobj()
        self._begun = False
        self._data = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer)).cast("B")
        while not self._data:
            packed = self._frame.unused_data
            if self._frame.eof:
                self._frame = self._factory.decompressobj()
                self._begun = False
            packed = packed or self._raw.read(_ZST_BYTES)
            if not packed:
                if self._begun:
                    raise EOFError("it ends too soon")
                return 0
            self._begun = True
            self._data = memoryview(self._frame.decompress(packed))
        count = min(len(view), len(self._data))
        view[:count] = self._data[:count]
        self._data = self._data[count:]
        return count
