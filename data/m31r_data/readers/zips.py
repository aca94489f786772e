"""Zip archives, by what their directory claims first and by what comes out of them then."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from m31r_core.errors import M31RError
from m31r_data.config import ArchiveLimits
from m31r_data.readers.archive import Member, RefusedError
from m31r_data.readers.tars import DAMAGED

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_MIN_RATIO_BYTES = 1_000_000
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, OverflowError)


def zip_members(path: Path, limits: ArchiveLimits) -> Iterator[Member]:
    """Yield the members of a zip archive. Raises RefusedError, and M31RError when unreadable.

    Never more comes out of a member than the directory says, so that its sums are limits.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _check(members, path.stat().st_size, limits)
            for member in members:
                kind = stat.S_IFMT(member.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFLNK):
                    raise RefusedError("not a regular file")
                read = partial(_content, archive, member)
                link = kind == stat.S_IFLNK
                yield Member(member.orig_filename, member.file_size, link, read)
    except _BROKEN as error:
        raise RefusedError(DAMAGED) from error
    except OSError as error:
        raise M31RError(f"{path}: {error.strerror or error}") from error


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    try:
        with archive.open(member) as file:
            # Without the size, all that is packed would come out before it is cut off.
            data = file.read(member.file_size)
    except _BROKEN as error:
        raise RefusedError(DAMAGED) from error
    if len(data) < member.file_size:
        raise RefusedError(DAMAGED)
    return data


def _check(members: list[zipfile.ZipInfo], packed: int, limits: ArchiveLimits) -> None:
    total = sum(member.file_size for member in members)
    if len(members) > limits.max_files:
        raise RefusedError("too many files")
    if total > limits.max_bytes:
        raise RefusedError("unpacks to too much")
    if total > max(packed * limits.max_ratio, _MIN_RATIO_BYTES):
        raise RefusedError("packed too well")
    if any(member.flag_bits & 1 or member.compress_type not in _METHODS for member in members):
        raise RefusedError("not readable")
