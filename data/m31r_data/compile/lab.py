"""Break a crate that compiles in many small ways, and hear what rustc says to each.

Mutants in different bodies are tried together. Where a run leaves any doubt about whose an error
is, or whether one hides another, its mutants are tried in smaller groups, at last one by one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from m31r_core.cargo import Diagnostic
from m31r_core.cargo.dialogue import Dialogue, DialogueError
from m31r_core.cargo.sandbox import Sandbox
from m31r_core.cargo.toolchain import Toolchain
from m31r_core.cargo.untrusted import UntrustedCrate
from m31r_core.errors import M31RError
from m31r_data.compile import driver
from m31r_data.compile.attribute import (
    as_diagnostics,
    diagnostic_alone,
    errors_of,
    hides_others,
    owner_of,
)
from m31r_data.compile.batch import Batch, Functions, Mutant, functions_of, plan
from m31r_data.compile.rustc import call_for_copy, recorded_call

Result = Literal["fails", "passes", "timeout", "crash"]

_GRACE = 10.0
_PREPARE = 300.0
_MAX_FILES = 512 << 20


class LaboratoryError(M31RError):
    """The crate cannot be experimented with: unbroken, it does not pass either."""


@dataclass(frozen=True)
class Trial:
    """What became of a mutant. `diagnostics` are rustc's errors with the mutant as the only one.

    Paths in them are relative to the crate's folder, those of dependencies begin with `vendor/`,
    what build scripts wrote with `target/`; warnings are left out.
    """

    mutant: Mutant
    outcome: Result
    diagnostics: tuple[Diagnostic, ...]


@dataclass
class Effort:
    """What the trials took: runs of rustc, those of one mutant alone, and what audits found.

    `rustc_s` is the processor time of rustc, as the sandbox tells it.
    """

    runs: int = 0
    rustc_s: float = 0.0
    alone: int = 0
    audited: int = 0
    disagreed: int = 0


@dataclass(frozen=True)
class _Said:
    status: int
    errors: tuple[Mapping[str, Any], ...]
    outcome: Result


@dataclass
class Laboratory:
    """Tries mutants of one crate that `verify_crate` found to compile. A context manager.

    `seconds` is the time for one run of rustc, `size` the most mutants in one. Of the mutants that
    were tried in company, the share `audit` is tried once more alone: when one of them differs, no
    company is trusted any more and all of the call's mutants are tried alone. Everything runs in
    the sandbox, `scratch` is a folder of ours that holds the copy of the crate that is broken.
    """

    crate: UntrustedCrate
    sandbox: Sandbox
    toolchain: Toolchain
    scratch: Path
    seconds: float = 60.0
    size: int = 48
    audit: float = 0.02
    effort: Effort = field(default_factory=Effort)
    _dialogue: Dialogue | None = field(default=None, repr=False)
    _functions: Functions = field(default_factory=dict, repr=False)
    _cpu: float = field(default=0.0, repr=False)
    _laid: set[str] = field(default_factory=set, repr=False)

    def __enter__(self) -> Laboratory:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End what runs and remove the copy."""
        if self._dialogue is not None:
            self._dialogue.close()
            self._dialogue = None
        shutil.rmtree(self.scratch, ignore_errors=True)

    def try_mutants(self, mutants: Sequence[Mutant]) -> Iterator[Trial]:
        """Yield a trial of each mutant, in the order given and the same every time.

        Raises LaboratoryError when the unbroken crate does not pass, before or afterwards, and for
        a path that is none of the crate's files.
        """
        texts = {path: self._text(path) for path in dict.fromkeys(each.path for each in mutants)}
        self._must_pass(texts)
        numbered = dict(enumerate(mutants))
        trials: dict[int, Trial] = {}
        self._functions = functions_of(numbered, texts)
        for group in plan(numbered, self._functions, self.size):
            trials.update(self._try(group, texts))
            if not self._agrees(group, trials, texts):
                for number, mutant in numbered.items():
                    trials.update(self._try({number: mutant}, texts))
                break
        self._must_pass(texts)
        for number in numbered:
            yield trials[number]

    def _try(self, group: dict[int, Mutant], texts: Mapping[str, bytes]) -> dict[int, Trial]:
        """Try a group together, and what this leaves open in smaller ones."""
        batch = Batch(group, texts, self._functions)
        said = self._run(batch)
        if len(group) == 1:
            self.effort.alone += 1
            ((number, mutant),) = group.items()
            found = as_diagnostics(said.errors) if said.outcome == "fails" else ()
            return {number: Trial(mutant, said.outcome, found)}
        if said.outcome == "passes":
            return {number: Trial(mutant, "passes", ()) for number, mutant in group.items()}
        by_owner = _share(said, batch)
        if by_owner is None:
            numbers = list(group)
            half = len(numbers) // 2
            trials: dict[int, Trial] = {}
            for part in (numbers[:half], numbers[half:]):
                trials.update(self._try({number: group[number] for number in part}, texts))
            return trials
        trials, alone = {}, []
        for number, errors in by_owner.items():
            found = as_diagnostics(errors)
            mapped = [diagnostic_alone(each, number, batch) for each in found]
            certain = tuple(each for each in mapped if each is not None)
            if len(certain) < len(mapped) or any(hides_others(error) for error in errors):
                alone.append(number)
            else:
                trials[number] = Trial(group[number], "fails", certain)
        for number in alone:
            trials.update(self._try({number: group[number]}, texts))
        # Those without an error may have been hidden by the errors of others.
        silent = {number: each for number, each in group.items() if number not in by_owner}
        if silent:
            trials.update(self._try(silent, texts))
        return trials

    def _agrees(
        self, group: dict[int, Mutant], trials: Mapping[int, Trial], texts: Mapping[str, bytes]
    ) -> bool:
        """Whether those of the group that the audit picks come to the same alone."""
        if len(group) == 1:
            return True
        for number, mutant in group.items():
            if _draw(mutant) < self.audit:
                self.effort.audited += 1
                if self._try({number: mutant}, texts)[number] != trials[number]:
                    self.effort.disagreed += 1
                    return False
        return True

    def _must_pass(self, texts: Mapping[str, bytes]) -> None:
        said = self._run(Batch({}, texts, {}), seconds=_PREPARE)
        if said.outcome != "passes":
            reason = said.errors[0]["message"] if said.errors else said.outcome
            raise LaboratoryError(f"{self.crate.name}: unbroken, it does not pass: {reason}")

    def _run(self, batch: Batch, seconds: float | None = None) -> _Said:
        """Run rustc with the batch's texts in place of the files."""
        files = {path: file.text for path, file in batch.files.items()}
        for path in self._laid - files.keys():
            files[path] = self._text(path)
        self._laid = set(batch.files)
        self.effort.runs += 1
        seconds = seconds or self.seconds
        try:
            return self._ask(files, seconds)
        except DialogueError as error:
            # A fresh start: whatever stands in the folder, nobody knows.
            self._dialogue, self._laid = None, set()
            return _Said(-1, (), "timeout" if error.limit == "wall clock" else "crash")

    def _ask(self, files: Mapping[str, bytes], seconds: float) -> _Said:
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
        self.effort.rustc_s += said["cpu"] - self._cpu
        self._cpu = said["cpu"]
        errors = tuple(errors_of(said["stderr"], self._names))
        status = said["status"]
        outcome: Result = "crash"
        if said["timed_out"]:
            outcome = "timeout"
        elif status == 0:
            outcome = "passes"
        elif status == 1 and errors:
            outcome = "fails"
        return _Said(status, errors, outcome)

    def _start(self) -> None:
        """Copy the crate to where it can be broken, and start the driver beside it."""
        call = recorded_call(self.crate)
        if call is None:
            raise LaboratoryError(f"{self.crate.name}: not known how rustc is called for it")
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

    def _text(self, path: str) -> bytes:
        place = (self.crate.source / path).resolve()
        if not place.is_relative_to(self.crate.source) or not place.is_file():
            raise LaboratoryError(f"{self.crate.source / path}: not a file of the crate")
        return place.read_bytes()


def _share(said: _Said, batch: Batch) -> dict[int, list[Mapping[str, Any]]] | None:
    """Return the errors by mutant; None where they cannot be told apart."""
    if said.outcome != "fails":
        return None
    found: dict[int, list[Mapping[str, Any]]] = {}
    for error in said.errors:
        owner = owner_of(error, batch)
        if owner is None:
            return None
        found.setdefault(owner, []).append(error)
    return found


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


def _draw(mutant: Mutant) -> float:
    """A number from 0 to 1 that depends on the mutant alone."""
    each = mutant.mutation
    text = f"{mutant.path}\0{each.mutator}\0{each.start}\0{each.end}\0".encode() + each.new
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") / 2**32
