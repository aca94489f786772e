"""A program of one or a few files, without dependencies, as something that can be checked.

rustc is called directly: where there is nothing to build before, cargo has nothing to add.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from m31r_core.cargo.bounded import Outcome, run_bounded
from m31r_core.cargo.compiler import Verdict, compare
from m31r_core.cargo.diagnostics import Diagnostic, parse_messages
from m31r_core.cargo.process import CargoError, Deadline
from m31r_core.cargo.sandbox import Sandbox
from m31r_core.cargo.toolchain import Toolchain, find_toolchain
from m31r_core.closing import Closing

CrateType = Literal["bin", "lib"]
MEMORY_MB = 4096
"""Address space of one rustc, where no sandbox says otherwise."""
BASELINE_S = 60.0
"""Seconds for the first look at the files as they are."""


@dataclass
class _Lane:
    """A folder that one check at a time works in, and what lies there now."""

    folder: Path
    laid: dict[str, bytes] = field(default_factory=dict)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def source(self) -> Path:
        return self.folder / "source"


class Program(Closing):
    """Implements `Compiler` for `files`, texts by relative path.

    Without a sandbox rustc reads whatever the text includes (`include_str!`), so that only trusted
    texts may come here. Use it as a context manager: it owns a folder below `scratch` (default: the
    system's place for temporary files).
    """

    def __init__(
        self,
        files: Mapping[str, bytes],
        *,
        edition: str = "2021",
        main: str = "src/main.rs",
        crate_type: CrateType = "bin",
        sandbox: Sandbox | None,
        toolchain: Toolchain | None = None,
        scratch: Path | None = None,
        lanes: int | None = None,
    ) -> None:
        """Raise CargoError when there is no rustc, or a path is not a relative one in here.

        `lanes` checks run at the same time (default: one a core, at most 4).
        """
        for path in files:
            _must_be_inside(path)
        if main not in files:
            raise CargoError(f"{main}: not among the program's files")
        self._files = dict(files)
        self._edition = edition
        self._main = main
        self._crate_type = crate_type
        self._sandbox = sandbox
        self._toolchain = toolchain or find_toolchain()
        self.lanes = lanes or min(4, os.cpu_count() or 1)
        """How many checks are worth running at the same time."""
        self.folder = Path(tempfile.mkdtemp(prefix="m31r-program-", dir=scratch))
        """Where its lanes are."""
        self._lanes: queue.SimpleQueue[_Lane] = queue.SimpleQueue()
        for number in range(self.lanes):
            lane = _Lane(self.folder / f"lane{number}")
            lane.source.mkdir(parents=True)
            lane.out.mkdir()
            self._lanes.put(lane)
        self._known: dict[str, tuple[Diagnostic, ...]] = {}

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The errors of the files as they are. Raises CargoError when rustc cannot answer."""
        return self._errors(self._files, Deadline(BASELINE_S))

    def text(self, path: str) -> bytes:
        """Return the text of a file. Raises CargoError for one that is not of the program."""
        if path not in self._files:
            raise CargoError(f"{path}: not among the program's files")
        return self._files[path]

    def paths(self) -> Sequence[str]:
        """Return the paths of the Rust files, sorted."""
        return sorted(path for path in self._files if path.endswith(".rs"))

    def check(self, changes: Mapping[str, bytes], deadline: Deadline) -> Verdict:
        """Return the verdict on `changes`, whole texts by path, laid over the files.

        Raises CargoError when rustc cannot answer before the deadline.
        """
        start = time.monotonic()
        for path in changes:
            _must_be_inside(path)
        before = self._errors(self._files, deadline)
        after = self._errors({**self._files, **changes}, deadline)
        return compare(before, after, time.monotonic() - start)

    def run(
        self, changes: Mapping[str, bytes], *, tests: bool = False, seconds: float = 10.0
    ) -> Outcome:
        """Build the program with `changes` and run it; with `tests` its `#[test]` functions.

        `seconds` is the wall time that it may run; building has BASELINE_S of its own. A build that
        fails gives rustc's outcome. Raises CargoError without a sandbox: what the program
        does is up to the program.
        """
        if self._sandbox is None:
            raise CargoError("programs run in a sandbox only")
        with self._lane({**self._files, **changes}) as lane:
            binary = lane.out / "program"
            arguments = ["--test"] if tests else ["--crate-type=bin"]
            arguments += ["-Cdebuginfo=0", "-Copt-level=0", f"-o{binary}"]
            built = self._rustc(lane, arguments, BASELINE_S)
            if not built.ok:
                return built
            # One thread: the order of what tests print is then the same in every run.
            return self._sandbox.run(
                [str(binary), *(["--test-threads=1"] if tests else [])],
                cwd=lane.source,
                read=[lane.source],
                write=lane.out,
                seconds=seconds,
            )

    def _errors(self, files: Mapping[str, bytes], deadline: Deadline) -> tuple[Diagnostic, ...]:
        key = _digest(files)
        if key not in self._known:
            with self._lane(files) as lane:
                arguments = [f"--crate-type={self._crate_type}", "--error-format=json"]
                arguments += [f"--emit=metadata={lane.out / 'program.rmeta'}"]
                outcome = self._rustc(lane, arguments, deadline.left())
            if outcome.timed_out:
                raise deadline.missed()
            self._known[key] = _read(outcome)
        return self._known[key]

    def _rustc(self, lane: _Lane, arguments: Sequence[str], seconds: float) -> Outcome:
        command = [str(self._toolchain.rustc), f"--edition={self._edition}", "--crate-name=program"]
        command += [*arguments, self._main]
        if self._sandbox is not None:
            return self._sandbox.run(
                command, cwd=lane.source, read=[lane.source], write=lane.out, seconds=seconds
            )
        nice = [path, "-n", "10"] if (path := shutil.which("nice")) else []
        limit = [path, f"--as={MEMORY_MB << 20}"] if (path := shutil.which("prlimit")) else []
        env = {"PATH": os.environ.get("PATH", ""), "TMPDIR": str(lane.out), "LANG": "C.UTF-8"}
        return run_bounded([*nice, *limit, *command], cwd=lane.source, env=env, seconds=seconds)

    @contextlib.contextmanager
    def _lane(self, files: Mapping[str, bytes]) -> Iterator[_Lane]:
        """Wait for a lane and lay exactly `files` there."""
        lane = self._lanes.get()
        try:
            for path in lane.laid.keys() - files.keys():
                (lane.source / path).unlink(missing_ok=True)
                del lane.laid[path]
            for path, text in files.items():
                if lane.laid.get(path) != text:
                    place = lane.source / path
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(text)
                    lane.laid[path] = text
            yield lane
        finally:
            self._lanes.put(lane)


def _read(outcome: Outcome) -> tuple[Diagnostic, ...]:
    """Return rustc's errors; a rustc that failed without any makes one of its own."""
    said = outcome.stderr.decode(errors="replace")
    errors = [each for each in parse_messages(said.splitlines()) if each.is_error]
    if not errors and not outcome.ok:
        lines = [line for line in said.splitlines() if line.strip() and not line.startswith("{")]
        reason = outcome.killed_by or (lines[0] if lines else f"status {outcome.status}")
        errors.append(Diagnostic("error", None, f"rustc failed: {reason}", (), (), said))
    return tuple(errors)


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path}\0{len(files[path])}\0".encode())
        digest.update(files[path])
    return digest.hexdigest()


def _must_be_inside(path: str) -> None:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise CargoError(f"{path}: not a path inside the program")
