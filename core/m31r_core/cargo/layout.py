"""What cargo says a workspace consists of, asked once and remembered by the manifests' stamps."""

from __future__ import annotations

import contextlib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m31r_core.cargo.process import CargoError, Deadline, run_cargo

Stamps = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True)
class Target:
    """Something cargo compiles: `kinds` as in `cargo metadata`, `source` its root file."""

    name: str
    kinds: tuple[str, ...]
    source: Path
    test: bool


@dataclass(frozen=True)
class Package:
    """A member of the workspace; `near` are the folders of its path dependencies."""

    folder: Path
    targets: tuple[Target, ...]
    near: tuple[Path, ...]


@dataclass(frozen=True)
class Layout:
    """The workspace root, the folders that building it reads (the root first), its members."""

    root: Path
    roots: tuple[Path, ...]
    packages: tuple[Package, ...]
    stamps: Stamps

    def is_current(self) -> bool:
        """Whether no manifest that was read has changed, and none came or went above."""
        return self.stamps == _stamps(name for name, *_ in self.stamps)

    def package_of(self, file: Path) -> Package | None:
        """The member that `file` lies in, the innermost."""
        owners = [package for package in self.packages if file.is_relative_to(package.folder)]
        return max(owners, key=lambda package: len(package.folder.parts), default=None)

    def near(self, package: Package) -> list[Package]:
        """`package` and the members that it builds on, directly or not."""
        by_folder = {member.folder: member for member in self.packages}
        found: dict[Path, Package] = {}
        waiting = [package]
        while waiting:
            member = waiting.pop()
            if member.folder not in found:
                found[member.folder] = member
                waiting += [by_folder[folder] for folder in member.near if folder in by_folder]
        return list(found.values())


def read_layout(folder: Path, deadline: Deadline) -> Layout:
    """Ask cargo about the workspace around `folder`.

    Raises CargoError when there is no Cargo.toml or cargo cannot read it.
    """
    if not folder.is_dir():
        raise CargoError(f"{folder}: not a folder")
    above = [parent / "Cargo.toml" for parent in (folder, *folder.parents)]
    if not any(manifest.is_file() for manifest in above):
        raise CargoError(f"{folder}: no Cargo.toml found here or above")
    before = _stamps(map(str, above))
    arguments = ["metadata", "--no-deps", "--format-version=1"]
    output = run_cargo(arguments, cwd=folder, deadline=deadline)
    if output.returncode:
        raise CargoError(f"{folder}: {output.first_error()}")
    metadata = json.loads(output.stdout)
    root = Path(metadata["workspace_root"])
    roots = [root]
    waiting = [root / "Cargo.toml"]
    waiting += [Path(package["manifest_path"]) for package in metadata["packages"]]
    seen: set[Path] = set()
    while waiting:
        manifest = waiting.pop()
        if manifest in seen or not manifest.is_file():
            continue
        seen.add(manifest)
        if not any(manifest.is_relative_to(known) for known in roots):
            roots.append(_outermost(manifest.parent, root))
        waiting += [folder / "Cargo.toml" for folder in _path_dependencies(manifest)]
    read = _stamps(sorted(map(str, seen - set(above))))
    packages = tuple(map(_package, metadata["packages"]))
    return Layout(root, tuple(roots), packages, before + read)


def layout_as_json(layout: Layout) -> str:
    """Return the text that `layout_from_json` reads."""
    return json.dumps(
        {
            "root": str(layout.root),
            "roots": list(map(str, layout.roots)),
            "stamps": layout.stamps,
            "packages": [
                {
                    "folder": str(package.folder),
                    "near": list(map(str, package.near)),
                    "targets": [
                        [target.name, target.kinds, str(target.source), target.test]
                        for target in package.targets
                    ],
                }
                for package in layout.packages
            ],
        }
    )


def layout_from_json(text: str) -> Layout:
    """Read what `layout_as_json` wrote; raises ValueError, KeyError or TypeError otherwise."""
    record = json.loads(text)
    packages = tuple(
        Package(
            Path(package["folder"]),
            tuple(
                Target(name, tuple(kinds), Path(source), test)
                for name, kinds, source, test in package["targets"]
            ),
            tuple(map(Path, package["near"])),
        )
        for package in record["packages"]
    )
    stamps = tuple((name, a, b, c) for name, a, b, c in record["stamps"])
    return Layout(Path(record["root"]), tuple(map(Path, record["roots"])), packages, stamps)


def _package(record: Mapping[str, Any]) -> Package:
    targets = tuple(
        Target(target["name"], tuple(target["kind"]), Path(target["src_path"]), target["test"])
        for target in record["targets"]
    )
    near = [Path(found["path"]) for found in record["dependencies"] if found.get("path")]
    return Package(Path(record["manifest_path"]).parent, targets, tuple(near))


def _stamps(names: Iterator[str] | list[str]) -> Stamps:
    found = []
    for name in names:
        try:
            stat = Path(name).stat()
            found.append((name, stat.st_mtime_ns, stat.st_size, stat.st_ctime_ns))
        except OSError:
            found.append((name, 0, 0, 0))
    return tuple(found)


def _outermost(package: Path, root: Path) -> Path:
    """The workspace that `package` is a member of, as long as it does not hold `root`."""
    for folder in (package, *package.parents):
        if root.is_relative_to(folder):
            break
        with contextlib.suppress(OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
            if "workspace" in tomllib.loads((folder / "Cargo.toml").read_text("utf-8")):
                return folder
    return package


def _path_dependencies(manifest: Path) -> Iterator[Path]:
    """Every folder that the manifest names as `path` of a dependency or a patch."""
    try:
        content = tomllib.loads(manifest.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return
    for path in _paths(content):
        folder = Path(os.path.normpath(manifest.parent / path))
        if folder.is_dir():
            yield folder


def _paths(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        if key == "path" and isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from _paths(value)
