"""Break a crate that compiles in many small ways, and hear what rustc says to each.

Mutants in different bodies are tried together. Where a run leaves any doubt about whose an error
is, or whether one hides another, its mutants are tried in smaller groups, at last one by one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from m31r_core.cargo import Diagnostic
from m31r_core.cargo.rustc_errors import as_diagnostics
from m31r_core.cargo.sandbox import Sandbox
from m31r_core.cargo.toolchain import Toolchain
from m31r_core.cargo.untrusted import UntrustedCrate
from m31r_core.cargo.workbench import Ending, Ran, Workbench, WorkbenchError
from m31r_core.closing import Closing
from m31r_core.errors import M31RError
from m31r_data.compile.attribute import (
    diagnostic_alone,
    hides_others,
    owner_of,
)
from m31r_data.compile.batch import Batch, Functions, Mutant, functions_of, plan

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
    outcome: Ending
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


@dataclass
class Laboratory(Closing):
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
    _functions: Functions = field(default_factory=dict, repr=False)
    _bench: Workbench = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._bench = Workbench(self.crate, self.sandbox, self.toolchain, self.scratch)

    def close(self) -> None:
        """End what runs and remove the copy."""
        self._bench.close()

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
            found = as_diagnostics(said.errors) if said.ending == "fails" else ()
            return {number: Trial(mutant, said.ending, found)}
        if said.ending == "passes":
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
        if said.ending != "passes":
            reason = said.errors[0]["message"] if said.errors else said.ending
            raise LaboratoryError(f"{self.crate.name}: unbroken, it does not pass: {reason}")

    def _run(self, batch: Batch, seconds: float | None = None) -> Ran:
        """Run rustc with the batch's texts in place of the files."""
        self.effort.runs += 1
        texts = {path: file.text for path, file in batch.files.items()}
        try:
            ran = self._bench.run(texts, seconds or self.seconds)
        except WorkbenchError as error:
            raise LaboratoryError(str(error)) from error
        self.effort.rustc_s += ran.cpu
        return ran

    def _text(self, path: str) -> bytes:
        try:
            return self._bench.text(path)
        except WorkbenchError as error:
            raise LaboratoryError(str(error)) from error


def _share(said: Ran, batch: Batch) -> dict[int, list[Mapping[str, Any]]] | None:
    """Return the errors by mutant; None where they cannot be told apart."""
    if said.ending != "fails":
        return None
    found: dict[int, list[Mapping[str, Any]]] = {}
    for error in said.errors:
        owner = owner_of(error, batch)
        if owner is None:
            return None
        found.setdefault(owner, []).append(error)
    return found


def _draw(mutant: Mutant) -> float:
    """A number from 0 to 1 that depends on the mutant alone."""
    each = mutant.mutation
    text = f"{mutant.path}\0{each.mutator}\0{each.start}\0{each.end}\0".encode() + each.new
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") / 2**32
