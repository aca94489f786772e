"""Readers: from what lies on disk to documents, one at a time."""

from __future__ import annotations

import io
import json
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import zstandard

from m31r_core.errors import M31RError
from m31r_data.document import Document

# Long-range matching of frozen packs needs this much memory to undo.
_MAX_WINDOW = 2**27


def read_sources(sources: Sequence[Path]) -> Iterator[Document]:
    """Yield the documents of every source in turn.

    A file is a JSON Lines pack, compressed when it ends in `.zst`; a folder is searched for
    crates. Raises M31RError naming a source that is missing or broken.
    """
    for source in sources:
        if source.is_dir():
            yield from read_crates(source)
        elif source.is_file():
            yield from read_pack(source)
        else:
            raise M31RError(f"{source}: no such file or folder; see 'sources' in the configuration")


def read_pack(path: Path) -> Iterator[Document]:
    """Yield the documents of a JSON Lines pack; memory does not grow with its size."""
    with path.open("rb") as raw:
        stream: IO[bytes] = raw
        if path.suffix == ".zst":
            stream = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).stream_reader(raw)
        number = 1
        try:
            for line in io.TextIOWrapper(stream, encoding="utf-8"):
                yield _from_pack(json.loads(line))
                number += 1
        except (ValueError, KeyError, TypeError, zstandard.ZstdError) as error:
            raise M31RError(f"{path}: line {number} is not a document ({error})") from error


def _from_pack(row: dict[str, Any]) -> Document:
    path = str(row["path"])
    return Document(
        package=row["package"] or _package_of_path(path),
        version=row["version"] or "",
        path=path,
        license=row["license"] or "",
        kind=row["kind"],
        text=row["text"],
    )


def _package_of_path(path: str) -> str:
    """Name what has no package by the folders it lies in, so that neighbours stay together."""
    return "/".join(path.split("/")[:-1][:3]) or path


def read_crates(folder: Path) -> Iterator[Document]:
    """Yield the Rust files of every crate under `folder`, in order of their paths.

    A crate is a folder with a Cargo.toml that has a `[package]`. Its name, version and licence
    may be inherited from the workspace above it. Files that are not UTF-8 are passed over, as
    are `target` and hidden folders, and links.
    """
    for manifest in sorted(folder.rglob("Cargo.toml")):
        relative = manifest.parent.relative_to(folder)
        if _is_hidden(relative):
            continue
        package = _package(manifest, folder)
        if package is not None:
            yield from _read_crate(manifest.parent, relative, package)


def _read_crate(crate: Path, relative: Path, package: dict[str, str]) -> Iterator[Document]:
    for path in sorted(crate.rglob("*.rs")):
        inside = path.relative_to(crate)
        if _is_hidden(inside) or path.is_symlink() or _has_own_crate(crate, inside):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        yield Document(
            package["name"],
            package["version"],
            (relative / inside).as_posix(),
            package["license"],
            _kind(inside),
            text,
        )


def _package(manifest: Path, top: Path) -> dict[str, str] | None:
    package = _read_toml(manifest).get("package")
    if not isinstance(package, dict) or not isinstance(package.get("name"), str):
        return None
    found = {"name": str(package["name"])}
    for key in ("version", "license"):
        value = package.get(key, "")
        if isinstance(value, dict):
            value = _workspace_value(manifest.parent, top, key)
        found[key] = value if isinstance(value, str) else ""
    return found


def _workspace_value(crate: Path, top: Path, key: str) -> object:
    for folder in (crate, *crate.parents):
        workspace = _read_toml(folder / "Cargo.toml").get("workspace")
        if isinstance(workspace, dict):
            inherited = workspace.get("package")
            return inherited.get(key, "") if isinstance(inherited, dict) else ""
        if folder == top:
            break
    return ""


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _is_hidden(relative: Path) -> bool:
    return any(part.startswith(".") or part == "target" for part in relative.parts)


def _has_own_crate(crate: Path, inside: Path) -> bool:
    return any((crate / parent / "Cargo.toml").is_file() for parent in list(inside.parents)[:-1])


def _kind(inside: Path) -> str:
    if inside.name == "build.rs" and len(inside.parts) == 1:
        return "build"
    kinds = {"tests": "test", "examples": "example", "benches": "bench"}
    return kinds.get(inside.parts[0], "src")
