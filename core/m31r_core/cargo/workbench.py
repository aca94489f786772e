"""A copy of an untrusted crate that rustc checks again and again, with other texts in its files.

Cargo has checked the crate once and wrote down how it calls rustc for its library
(`untrusted.py`). From then on one process in the sandbox lays texts and calls rustc itself,
incrementally: a check costs what rustc needs for the change.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from m31r_core.cargo import driver
from m31r_core.cargo.dialogue import Dialogue, DialogueError
from m31r_core.cargo.recorded import call_for_copy, recorded_call
from m31r_core.cargo.rustc_errors import errors_of
from m31r_core.cargo.sandbox import Sandbox
from m31r_core.cargo.toolchain import Toolchain
from m31r_core.cargo.untrusted import UntrustedCrate
from m31r_core.closing import Closing
from m31r_core.errors import M31RError

Ending = Literal["fails", "passes", "timeout", "crash"]

_GRACE = 10.0


class WorkbenchError(M31RError):
    """The crate cannot be worked on: it was never checked, or a file is none of its own."""


@dataclass(frozen=True)
class Ran:
    """How one run of rustc ended, its errors as JSON, and its processor time in seconds.

    Paths in the errors are relative to the crate's folder, those of dependencies begin with
    `vendor/`, what build scripts wrote with `target/`; warnings are left out.
    """

    ending: Ending
    errors: tuple[Mapping[str, Any], ...] = ()
    cpu: float = 0.0


@dataclass
class Workbench(Closing):
    """One crate that `check_untrusted` found to compile; one run at a time. A context manager.

    Everything runs in the sandbox. `scratch` is a folder of ours that holds the copy whose files
    are changed, and is removed at the end.
    """

    crate: UntrustedCrate
    sandbox: Sandbox
    toolchain: Toolchain
    scratch: Path
    _dialogue: Dialogue | None = field(default=None, repr=False)
    _cpu: float = field(default=0.0, repr=False)
    _laid: set[str] = field(default_factory=set, repr=False)

    def close(self) -> None:
        """End what runs and remove the copy."""
        if self._dialogue is not None:
            self._dialogue.close()
            self._dialogue = None
        shutil.rmtree(self.scratch, ignore_errors=True)

    def run(self, texts: Mapping[str, bytes], seconds: float) -> Ran:
        """Check the crate with `texts`, whole files by path, in place of its own.

        Raises WorkbenchError for a path that is none of the crate's, and where cargo never wrote
        down how rustc is called; whatever rustc or the crate does is an ending.
        """
        files = dict(texts)
        for path in files:
            self.text(path)
        for path in self._laid - files.keys():
            files[path] = self.text(path)
        self._laid = set(texts)
        try:
            return self._ask(files, seconds)
        except DialogueError as error:
            # A fresh start: whatever stands in the folder, nobody knows.
            self._dialogue, self._laid = None, set()
            return Ran("timeout" if error.limit == "wall clock" else "crash")

    def text(self, path: str) -> bytes:
        """Return the unchanged text of a file. Raises WorkbenchError for one of somebody else."""
        place = (self.crate.source / path).resolve()
        if not place.is_relative_to(self.crate.source.resolve()) or not place.is_file():
            raise WorkbenchError(f"{self.crate.source / path}: not a file of the crate")
        return place.read_bytes()

    def _ask(self, files: Mapping[str, bytes], seconds: float) -> Ran:
        if self._dialogue is None:
            self._start()
        assert self._dialogue is not None
        head = {
            "files": [[path, len(text)] for path, text in files.items()],
            "seconds": seconds,
            "command": self._command,
            "env": self._environment,
        }
        start = json.dumps(head).encode()
        question = b"".join([len(start).to_bytes(4, "big"), start, *files.values()])
        said = _read_answer(self._dialogue.ask(question, seconds + _GRACE))
        # The driver counts from its start.
        cpu, self._cpu = said["cpu"] - self._cpu, said["cpu"]
        errors = tuple(errors_of(said["stderr"], self._names))
        ending: Ending = "crash"
        if said["timed_out"]:
            ending = "timeout"
        elif said["status"] == 0:
            ending = "passes"
        elif said["status"] == 1 and errors:
            ending = "fails"
        return Ran(ending, errors, cpu)

    def _start(self) -> None:
        """Copy the crate to where it can be changed, and start the driver beside it."""
        call = recorded_call(self.crate)
        if call is None:
            raise WorkbenchError(f"{self.crate.name}: not known how rustc is called for it")
        shutil.rmtree(self.scratch, ignore_errors=True)
        copy, out = self.scratch / "source", self.scratch / "out"
        out.mkdir(parents=True)
        shutil.copytree(self.crate.source, copy, symlinks=True, ignore=_not_source)
        for path in (copy, *(each for each in copy.rglob("*") if not each.is_symlink())):
            path.chmod(0o755 if path.is_dir() else 0o644)
        arguments, self._environment = call_for_copy(call, self.crate.source, copy, out)
        self._names = {
            str(copy): "",
            str(self.scratch): "scratch/",
            str(self.crate.source): "",
            str(self.crate.target): "target/",
            **({str(self.crate.vendor.resolve()): "vendor/"} if self.crate.vendor else {}),
        }
        self._command = [str(self.toolchain.rustc), *arguments]
        python = Path(sys.executable).resolve()
        script = Path(driver.__file__).resolve()
        read = [self.crate.target, self.crate.source, script]
        if not python.is_relative_to("/usr"):
            read.append(Path(sys.base_prefix).resolve())
        self._cpu = 0.0
        self._dialogue = Dialogue(
            self.sandbox,
            [str(python), "-IS", str(script), str(copy)],
            cwd=copy,
            read=read,
            write=self.scratch,
            env={"HOME": "/tmp"},
        )


def _not_source(folder: str, names: list[str]) -> set[str]:
    """Return what of a crate's own folder is no part of it; further down, names are modules'."""
    at_top = "Cargo.toml" in names
    return {".git", "target"}.intersection(names) if at_top else set()


def _read_answer(answer: bytes) -> dict[str, Any]:
    """Read what the driver said, if it was the driver: code of the crate can reach its output."""
    try:
        said = json.loads(answer)
        return {
            "status": int(said["status"]),
            "timed_out": bool(said["timed_out"]),
            "stderr": str(said["stderr"]),
            "cpu": float(said["cpu"]),
        }
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DialogueError("that is no answer") from error
