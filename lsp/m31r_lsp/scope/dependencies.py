"""What a workspace depends on, and where its sources lie on this machine.

Nothing is downloaded and cargo is not run: manifests say what is depended on, and the folders of
cargo's registry, vendored sources and paths are where it lies.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MOST_PACKAGES = 400
_LARGEST_FILE = 1 << 20
_TABLES = ("dependencies", "build-dependencies", "dev-dependencies")


@dataclass(frozen=True)
class Package:
    """A dependency's folder, and whether the workspace itself depends on it."""

    name: str
    folder: Path
    direct: bool


def packages(manifests: Iterable[Path], sources: Iterable[Path]) -> tuple[list[Package], list[str]]:
    """Return what the packages of `manifests` depend on, and so on, and what of it is not there.

    `sources` are folders of `NAME-VERSION` folders. Of a direct dependency that is not found the
    name is returned; those of others are left out, as cargo may never have needed them.
    """
    places = _places(sources)
    found: dict[Path, Package] = {}
    missing: list[str] = []
    waiting = [(manifest, True) for manifest in manifests]
    read: set[Path] = set()
    while waiting and len(found) < _MOST_PACKAGES:
        manifest, direct = waiting.pop(0)
        if manifest in read:
            continue
        read.add(manifest)
        for name, wish in _dependencies(_toml(manifest), dev=direct):
            folder = _folder(manifest, name, wish, places)
            if folder is None:
                if direct and not wish.get("optional"):
                    missing.append(name)
            elif folder not in found:
                found[folder] = Package(name, folder, direct)
                waiting.append((folder / "Cargo.toml", False))
    return list(found.values()), missing


def source_folders(root: Path) -> Iterator[Path]:
    """Yield the folders in which cargo keeps sources for the workspace at `root`."""
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    for config in [*(at / ".cargo" for at in (root, *root.parents)), home]:
        for name in ("config.toml", "config"):
            for source in _toml(config / name).get("source", {}).values():
                if isinstance(source, dict) and isinstance(source.get("directory"), str):
                    yield config.parent / source["directory"]
    registry = home / "registry" / "src"
    if registry.is_dir():
        yield from sorted(each for each in registry.iterdir() if each.is_dir())


def sources_of(package: Package) -> Iterator[Path]:
    """Yield a package's Rust files in a fixed order, very large ones left out."""
    for file in sorted((package.folder / "src").rglob("*.rs")):
        try:
            if file.stat().st_size <= _LARGEST_FILE:
                yield file
        except OSError:
            continue


def _dependencies(
    manifest: Mapping[str, Any], *, dev: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    tables: list[Any] = [manifest, manifest.get("workspace", {})]
    tables += list(_table(manifest, "target").values())
    for table in tables:
        for kind in _TABLES:
            if kind == "dev-dependencies" and not dev:
                continue
            for name, wish in _table(table, kind).items():
                full = wish if isinstance(wish, dict) else {"version": wish}
                if not full.get("workspace"):
                    yield str(full.get("package", name)), full


def _table(parent: Any, name: str) -> Mapping[str, Any]:
    table = parent.get(name) if isinstance(parent, dict) else None
    return table if isinstance(table, dict) else {}


def _folder(
    manifest: Path, name: str, wish: Mapping[str, Any], places: Mapping[str, list[Path]]
) -> Path | None:
    path = wish.get("path")
    if isinstance(path, str) and (manifest.parent / path / "Cargo.toml").is_file():
        return (manifest.parent / path).resolve()
    candidates = places.get(name, [])
    wanted = str(wish.get("version", "")).lstrip("=^~> ")
    for length in range(wanted.count(".") + 1, 0, -1):
        start = ".".join(wanted.split(".")[:length])
        fitting = [
            each for each in candidates if each.name[len(name) + 1 :].startswith(start + ".")
        ]
        if fitting:
            return fitting[-1]
    return candidates[-1] if candidates else None


def _places(sources: Iterable[Path]) -> dict[str, list[Path]]:
    """Return the folders of every package by its name, in the order of their names."""
    places: dict[str, list[Path]] = {}
    for source in sources:
        try:
            folders = sorted(source.iterdir())
        except OSError:
            continue
        for folder in folders:
            name, _, version = folder.name.partition("-")
            while version and not version[0].isdigit():
                more, _, version = version.partition("-")
                name = f"{name}-{more}"
            if version or (folder / "Cargo.toml").is_file():
                places.setdefault(name, []).append(folder)
    return places


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
