"""Where the real rustc is, behind rustup's shim, which costs time and needs a home folder."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from m31r_core.cargo.process import CargoError, rust_program


@dataclass(frozen=True)
class Toolchain:
    """A Rust toolchain; `version` is rustc's own line, as "rustc 1.95.0 (59807616e 2026-04-14)"."""

    sysroot: Path
    version: str

    @property
    def rustc(self) -> Path:
        """The compiler itself."""
        return self.sysroot / "bin" / "rustc"

    @property
    def cargo(self) -> Path:
        """The cargo of this toolchain; it may not be there."""
        return self.sysroot / "bin" / "cargo"


def find_toolchain(cwd: Path | None = None) -> Toolchain:
    """Return the toolchain that `rustc` means in `cwd`.

    Raises CargoError when there is none, or it does not answer.
    """
    rustc = rust_program("rustc")
    if rustc is None:
        raise CargoError("rustc not found; install Rust from https://rustup.rs")
    answers = []
    for question in (["--print", "sysroot"], ["--version"]):
        done = subprocess.run(
            [rustc, *question], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            complaint = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
            raise CargoError(f"rustc does not run: {complaint[0]}")
        answers.append(done.stdout.strip())
    toolchain = Toolchain(Path(answers[0]), answers[1])
    if not toolchain.rustc.is_file():
        raise CargoError(f"{toolchain.rustc}: no such file, though rustc names its folder")
    return toolchain
