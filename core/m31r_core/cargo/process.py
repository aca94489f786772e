"""Run cargo at low priority and without the network, and never beyond a deadline."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
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


def rust_program(name: str) -> str | None:
    """Return the path of `cargo` or `rustc`: from PATH, else from where rustup puts it.

    Editors that are started from a desktop often have a PATH without the latter.
    """
    home = Path(os.environ.get("CARGO_HOME", "~/.cargo")).expanduser()
    return shutil.which(name) or shutil.which(name, path=str(home / "bin"))


def run_cargo(
    arguments: Sequence[str],
    *,
    cwd: Path,
    deadline: Deadline,
    extra: Mapping[str, str] | None = None,
) -> CargoOutput:
    """Run `cargo ARGUMENTS --offline` in `cwd`, with `extra` in its environment.

    At the deadline cargo and all it started are killed. Raises CargoError when cargo is not
    installed or the deadline is missed; a cargo that fails is the caller's to judge.
    """
    cargo = rust_program("cargo")
    if cargo is None:
        raise CargoError("cargo not found; install Rust from https://rustup.rs")
    quiet = {"CARGO_TERM_COLOR": "never", "CARGO_TERM_PROGRESS_WHEN": "never"}
    environment = {**os.environ, **quiet, **(extra or {})}
    return run_nice([cargo, *arguments, "--offline"], cwd, environment, deadline)


def run_nice(
    command: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    deadline: Deadline,
    keep_open: Sequence[int] = (),
) -> CargoOutput:
    """Run `command` at low priority, killed with all it started at the deadline.

    It inherits the file descriptors in `keep_open`: a lock stays taken while it lives, even when
    this process is killed. Raises CargoError when the deadline is missed.
    """
    nice = shutil.which("nice")
    process = subprocess.Popen(
        [*([nice, "-n", "10"] if nice else []), *command],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        pass_fds=keep_open,
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


@contextlib.contextmanager
def locked(path: Path, deadline: Deadline) -> Iterator[int]:
    """Hold `path` for this caller alone and yield its descriptor; waits until the deadline."""
    with path.open("w") as file:
        while not try_lock(file.fileno()):
            deadline.left()
            time.sleep(0.005)
        yield file.fileno()


def try_lock(descriptor: int) -> bool:
    """Take the lock of an open file unless another one has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
