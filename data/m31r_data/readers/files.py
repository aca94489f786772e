"""Which files a source of files has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from m31r_core.errors import M31RError


def source_files(
    path: Path, suffixes: Sequence[str], *, deep: bool = False
) -> list[tuple[str, Path]]:
    """Return (name, path) of a source that is one file, or of the files in a folder.

    Files in a folder need one of the `suffixes`; with `deep`, its folders are searched too. Names
    are relative, sorted. Raises M31RError when there are none.
    """
    if path.is_file():
        return [(path.name, path)]
    found = path.rglob("*") if deep else path.glob("*")
    files = [
        (file.relative_to(path).as_posix(), file)
        for file in found
        if file.name.endswith(tuple(suffixes)) and file.is_file() and not file.is_symlink()
    ]
    if not files:
        raise M31RError(
            f"{path}: no {' or '.join(suffixes)} files; see 'sources' in the configuration"
        )
    return sorted(files)


def fingerprint_of(path: Path) -> str:
    """Return a text that changes with the file: its size and the time of its last change."""
    try:
        stat = path.stat()
    except OSError as error:
        raise M31RError(f"{path}: {error.strerror}") from error
    return f"{stat.st_size}-{stat.st_mtime_ns}"
