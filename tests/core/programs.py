"""Real crates that rustc compiles without cargo's help, as programs."""

from __future__ import annotations

import tomllib
from pathlib import Path

from m31r_core.cargo import CargoError
from m31r_core.cargo.program import Program

LINES = range(150, 6000)


def load_crate(crate: Path) -> tuple[str, dict[str, bytes]] | None:
    """Return edition and sources of a library crate that compiles alone, None for others."""
    try:
        manifest = tomllib.loads((crate / "Cargo.toml").read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None
    needed = [
        name
        for name, value in manifest.get("dependencies", {}).items()
        if not (isinstance(value, dict) and value.get("optional"))
    ]
    builds = (crate / "build.rs").exists() or manifest.get("lib", {}).get("proc-macro")
    if needed or builds or not (crate / "src" / "lib.rs").exists():
        return None
    files = {
        str(path.relative_to(crate)): path.read_bytes() for path in (crate / "src").rglob("*.rs")
    }
    if sum(text.count(b"\n") for text in files.values()) not in LINES:
        return None
    edition = str(manifest.get("package", {}).get("edition", "2015"))
    try:
        with program_of(files, edition) as program:
            return None if program.errors else (edition, files)
    except CargoError:
        return None


def program_of(files: dict[str, bytes], edition: str) -> Program:
    return Program(files, edition=edition, main="src/lib.rs", crate_type="lib", sandbox=None)
