"""The crates of the tasks and all that they depend on, as a small archive to check them with."""

from __future__ import annotations

import tarfile
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

from m31r_core.cargo.untrusted import lock_untrusted
from m31r_core.errors import M31RError
from m31r_eval.crates import CratePool

_KEPT = ("Cargo.toml", ".cargo-checksum.json", "build.rs")
_WORDS = ("license", "licence", "copying", "unlicense", "notice", "readme")


def dependencies(pool: CratePool, folders: Iterable[str]) -> list[str]:
    """Return the folders of these crates and of all that cargo resolves for them, sorted.

    Raises M31RError where cargo cannot resolve a crate, or a folder is not there.
    """
    found: set[str] = set()
    for folder in folders:
        crate = pool.crate(folder)
        crate.work.mkdir(parents=True, exist_ok=True, mode=0o755)
        outcome = lock_untrusted(crate, sandbox=pool.sandbox.fresh(), toolchain=pool.toolchain)
        if outcome is not None and not outcome.ok:
            raise M31RError(f"{folder}: its dependencies cannot be resolved")
        found.add(folder)
        for package in tomllib.loads(crate.lock_file.read_text("utf-8"))["package"]:
            if package["name"] not in ("m31r-wrapper", crate.name):
                found.add(f"{package['name']}-{package['version']}")
    for folder in sorted(found):
        if not (pool.source / folder / "Cargo.toml").is_file():
            raise M31RError(f"{pool.source / folder}: no such crate")
    return sorted(found)


def pack(source: Path, folders: Sequence[str], out: Path) -> int:
    """Write what compiling these crates needs, and their licences, to the .tar.xz `out`.

    The same crates give the same bytes. Returns the size in bytes.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(out.name + ".partial")
    with tarfile.open(partial, "w:xz", preset=9, format=tarfile.PAX_FORMAT) as archive:
        for folder in folders:
            for path in sorted((source / folder).rglob("*")):
                inside = path.relative_to(source)
                if path.is_file() and not path.is_symlink() and _is_needed(inside):
                    archive.add(path, inside.as_posix(), recursive=False, filter=_plain)
    partial.replace(out)
    return out.stat().st_size


def _is_needed(path: Path) -> bool:
    """Whether the file, by its path from the source on, is code or says who may use it."""
    name = path.name.lower()
    if len(path.parts) == 2:
        return path.name in _KEPT or name.endswith(".rs") or name.startswith(_WORDS)
    top = path.parts[1]
    return top not in ("tests", "benches", "examples", "data", "fuzz", "debian", ".github")


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = 0
    info.mode = 0o644
    return info
