"""Run cargo at low priority and without the network, and never beyond a deadline."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from m31r_core.errors import M31RError


class CargoError(M31RError):
    """Cargo could not answer: it is missing, found no manifest, or ran out of time."""


class Deadline:
    """A point in time, in seconds of the monotonic clock, until which work may go on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left; raises CargoError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.missed()
        return left

    def missed(self) -> CargoError:
        """The error that says so."""
        return CargoError(f"cargo did not finish within {self.seconds:g} s")


@dataclass(frozen=True)
class CargoOutput:
    """What a finished cargo left behind."""

    returncode: int
    stdout: str
    stderr: str

    def first_error(self) -> str:
        """Cargo's own complaint in one line: its first "error:" and the deepest cause."""
        lines = [line.strip() for line in self.stderr.splitlines() if line.strip()]
        start = next((i for i, line in enumerate(lines) if line.startswith("error")), 0)
        if not lines:
            return f"cargo failed with status {self.returncode}"
        message = lines[start].removeprefix("error: ")
        causes = [i for i, line in enumerate(lines) if line == "Caused by:"]
        if causes and causes[-1] + 1 < len(lines):
            message = f"{message}: {lines[causes[-1] + 1]}"
        return message


def run_cargo(arguments: Sequence[str], *, cwd: Path, deadline: Deadline) -> CargoOutput:
    """Run `cargo ARGUMENTS --offline` in `cwd`.

    At the deadline cargo and all it started are killed. Raises CargoError when cargo is not
    installed or the deadline is missed; a cargo that fails is the caller's to judge.
    """
    cargo = shutil.which("cargo")
    if cargo is None:
        raise CargoError("cargo not found; install Rust from https://rustup.rs")
    nice = shutil.which("nice")
    command = [*([nice, "-n", "10"] if nice else []), cargo, *arguments, "--offline"]
    process = subprocess.Popen(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "CARGO_TERM_COLOR": "never", "CARGO_TERM_PROGRESS_WHEN": "never"},
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=deadline.left())
    except subprocess.TimeoutExpired:
        raise deadline.missed() from None
    finally:
        if process.poll() is None:
            _kill_group(process)
    return CargoOutput(
        process.returncode, stdout.decode(errors="replace"), stderr.decode(errors="replace")
    )


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
