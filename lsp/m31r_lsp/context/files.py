"""The Rust files of a workspace."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Of a workspace this much is read, each file up to its own limit.
_MOST_FILES = 2_000
_MOST_BYTES = 8 << 20
_LARGEST_FILE = 256 << 10
_SKIPPED = ("target", "node_modules")


def rust_files(root: Path) -> Iterator[Path]:
    """Yield the Rust files below `root` in a fixed order, hidden and built ones left out."""
    files, size = 0, 0
    for file in _walk(root, ".rs"):
        try:
            length = file.stat().st_size
        except OSError:
            continue
        if length > _LARGEST_FILE:
            continue
        files, size = files + 1, size + length
        if files > _MOST_FILES or size > _MOST_BYTES:
            return
        yield file


def manifests(root: Path) -> list[Path]:
    """Return the Cargo.toml files below `root`."""
    return [file for file in _walk(root, "Cargo.toml") if file.name == "Cargo.toml"]


def read(file: Path) -> str | None:
    """Return a file's text, None where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _walk(root: Path, ending: str) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(x for x in folders if x not in _SKIPPED and not x.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(ending))
