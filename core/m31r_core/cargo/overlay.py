"""Does a change compile? Cargo's verdict on file texts that exist nowhere but in memory."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from m31r_core.cargo.compiler import Verdict, compare
from m31r_core.cargo.diagnostics import Diagnostic, parse_messages
from m31r_core.cargo.mirror import Mirror, workspace_roots
from m31r_core.cargo.process import CargoError, CargoOutput, Deadline, run_cargo

CHECK = ["check", "--workspace", "--all-targets", "--keep-going", "--message-format=json"]


def check_overlay(
    workspace: Path,
    files: Mapping[Path, str],
    *,
    deadline_s: float = 60.0,
    target_dir: Path | None = None,
) -> Verdict:
    """Check the Cargo workspace around `workspace` as if `files` had been saved.

    `files` maps paths, absolute or relative to `workspace`, to whole texts. The user's folder is
    only read: cargo works on a copy under `$XDG_CACHE_HOME/m31r`, with its target folder there
    or in `target_dir`. The first call for a workspace checks it from scratch; later ones are
    incremental, and the errors of the user's files are remembered until one changes.

    Raises CargoError when there is no Cargo.toml, cargo is missing or cannot start to compile,
    a file lies outside the workspace, or `deadline_s` (seconds, for everything) is over.
    """
    start = time.monotonic()
    deadline = Deadline(deadline_s)
    workspace = workspace.resolve()
    if not workspace.is_dir():
        raise CargoError(f"{workspace}: not a folder")
    roots = workspace_roots(workspace, deadline)
    candidate = {_absolute(path, workspace, roots): text for path, text in files.items()}
    home = _cache_home() / "overlay" / hashlib.sha256(str(roots[0]).encode()).hexdigest()[:16]
    try:
        home.mkdir(parents=True, exist_ok=True)
        with _lock(home / "lock", deadline):
            check = _Check(
                Mirror(home, roots), (target_dir or home / "target").absolute(), deadline
            )
            before = check.baseline(home / "baseline.json")
            after = check.candidate(candidate)
    except OSError as error:
        raise CargoError(f"{error.filename}: {error.strerror}") from error
    return compare(before, after, time.monotonic() - start)


@dataclass(frozen=True)
class _Check:
    mirror: Mirror
    target_dir: Path
    deadline: Deadline

    def baseline(self, remembered: Path) -> list[Diagnostic]:
        """Errors of the user's files, from `remembered` when they have not changed since."""
        digest = self.mirror.sync(self.deadline)
        with contextlib.suppress(OSError, ValueError, KeyError):
            record = json.loads(remembered.read_text("utf-8"))
            if record["digest"] == digest:
                return _errors(record["stdout"])
        output = self._run()
        errors = _errors(output.stdout)
        if _complaints(output) or (output.returncode and not errors):
            raise CargoError(f"{self.mirror.roots[0]}: {output.first_error()}")
        messages = [line for line in output.stdout.splitlines() if "compiler-message" in line]
        record = {"digest": digest, "stdout": "\n".join(messages)}
        remembered.write_text(json.dumps(record), "utf-8")
        return errors

    def candidate(self, files: Mapping[Path, str]) -> list[Diagnostic]:
        """Errors with `files` in their places."""
        self.mirror.lay(files)
        output = self._run()
        errors = _errors(output.stdout)
        complaints = _complaints(output)
        if output.returncode and not errors and not complaints:
            complaints = [output.first_error()]
        own = [Diagnostic("error", None, line, (), (), output.stderr) for line in complaints]
        return errors + own

    def _run(self) -> CargoOutput:
        arguments = [*CHECK, "--target-dir", str(self.target_dir)]
        cwd = self.mirror.place(self.mirror.roots[0])
        output = run_cargo(arguments, cwd=cwd, deadline=self.deadline)
        tree = str(self.mirror.tree)
        return CargoOutput(
            output.returncode, output.stdout.replace(tree, ""), output.stderr.replace(tree, "")
        )


def _errors(stdout: str) -> list[Diagnostic]:
    return [found for found in parse_messages(stdout.splitlines()) if found.is_error]


def _complaints(output: CargoOutput) -> list[str]:
    """Cargo's own errors, such as a build script that failed; those that sum up rustc's aside."""
    lines = [line for line in output.stderr.splitlines() if line.startswith("error: ")]
    return [
        line.removeprefix("error: ")
        for line in lines
        if not line.startswith("error: could not compile")
    ]


def _absolute(path: Path, workspace: Path, roots: Sequence[Path]) -> Path:
    """`path` with its folder's links resolved; it must lie in one of `roots`."""
    full = workspace / path
    full = Path(os.path.normpath(full.parent.resolve() / full.name))
    if not any(full.is_relative_to(root) for root in roots):
        raise CargoError(f"{full}: outside the workspace {roots[0]}")
    return full


def _cache_home() -> Path:
    configured = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(configured) if Path(configured).is_absolute() else Path("~/.cache").expanduser()
    return base / "m31r"


@contextlib.contextmanager
def _lock(path: Path, deadline: Deadline) -> Iterator[None]:
    """Hold `path` for this process alone; waits until the deadline."""
    with path.open("w") as file:
        while True:
            deadline.left()
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.02)
        yield
