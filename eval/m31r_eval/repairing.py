"""Repair one task, by M31R and by rustc's suggestions alone, and let compiler and tests judge.

Nothing of a task runs outside of the sandbox.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from m31r_core.bundle import load_bundle
from m31r_core.cargo.compiler import Compiler, Verdict
from m31r_core.cargo.crate_compiler import CrateCompiler
from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.cargo.process import Deadline
from m31r_core.cargo.program import Program
from m31r_core.cargo.sandbox import Sandbox
from m31r_core.cargo.toolchain import Toolchain
from m31r_core.engine import Completer, Engine
from m31r_core.errors import ConfigError, M31RError
from m31r_core.repair.candidates import Proposer, Ranker
from m31r_core.repair.edits import lay
from m31r_core.repair.fixes import Fix
from m31r_core.repair.proposals import proposer
from m31r_core.repair.ranking import model_ranker
from m31r_core.repair.search import RepairLimits, repair_all
from m31r_eval.crates import CratePool, OpenCrates
from m31r_eval.metrics import edit_similarity
from m31r_eval.models import ModelSpec
from m31r_eval.repair_tasks import RepairTask
from m31r_eval.running import Record
from m31r_eval.rustc_only import apply_suggestions


@dataclass(frozen=True)
class RepairSetup:
    """What repairing a task needs; it can be sent to another process."""

    sandbox: Sandbox
    toolchain: Toolchain
    limits: RepairLimits
    lanes: int
    run_s: float
    """Seconds that a program or its tests may run."""
    scratch: Path
    model: ModelSpec | None
    """A bundle, `reference` or `empty`; None for a search without a model."""
    pool: CratePool | None = None
    """What tasks with a crate are checked in."""
    open_crates: int = 2
    """Crates that a worker keeps warm at the same time."""


@dataclass(frozen=True)
class Helpers:
    """What the model adds to the search."""

    rank: Ranker | None = None
    propose: Proposer | None = None


class _Watched:
    """A compiler that remembers how often it was asked, and when a candidate first passed."""

    def __init__(self, compiler: Compiler) -> None:
        self._compiler = compiler
        self._start = time.monotonic()
        self.lanes = compiler.lanes
        self.checks = 0
        self.first_fix_s: float | None = None

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return self._compiler.errors

    def text(self, path: str) -> bytes:
        return self._compiler.text(path)

    def paths(self) -> Sequence[str]:
        return self._compiler.paths()

    def check(self, changes: Mapping[str, bytes], deadline: Deadline) -> Verdict:
        self.checks += 1
        verdict = self._compiler.check(changes, deadline)
        if verdict.passed and verdict.gone and self.first_fix_s is None:
            self.first_fix_s = time.monotonic() - self._start
        return verdict


def open_repair(setup: RepairSetup) -> Callable[[RepairTask], Record]:
    """Return what repairs a task; loads the model, if there is one, once."""
    helpers = Helpers()
    if setup.model is not None and setup.model.kind == "bundle":
        helpers = _load(setup.model.path)
    crates = OpenCrates(setup.pool, setup.open_crates, lanes=setup.lanes) if setup.pool else None
    return lambda task: repair_task(task, setup, helpers, crates)


def _load(model: Path) -> Helpers:
    engine = Engine.load(load_bundle(model), threads=1)
    completer = Completer(engine)
    return Helpers(model_ranker(completer), proposer(completer))


@contextmanager
def _opened(
    task: RepairTask, setup: RepairSetup, crates: OpenCrates | None
) -> Iterator[Program | CrateCompiler]:
    """Have the task's files as something that can be compiled."""
    files = {path: text.encode() for path, text in task.files.items()}
    if task.crate is not None:
        if crates is None:
            raise ConfigError(f"task {task.id}: its crate {task.crate} is needed; see --crates")
        yield crates.get(task.crate, files)
        return
    with Program(
        files,
        edition=task.edition,
        main=task.main,
        crate_type="lib" if task.is_library else "bin",
        sandbox=setup.sandbox.fresh(),
        toolchain=setup.toolchain,
        scratch=setup.scratch,
        lanes=setup.lanes,
    ) as program:
        yield program


def _search(
    task: RepairTask, setup: RepairSetup, helpers: Helpers, compiler: Compiler
) -> Fix | None:
    if setup.model is not None and setup.model.kind != "bundle":
        return None
    return repair_all(compiler, setup.limits, rank=helpers.rank, propose=helpers.propose)


def repair_task(
    task: RepairTask, setup: RepairSetup, helpers: Helpers, crates: OpenCrates | None = None
) -> Record:
    """Return the line of `results.jsonl`. Raises M31RError when the tools fail.

    `fixed` says that the repaired program compiles and passes its tests, `solved` that it also
    runs to exit status 0 where the reference does, `restored` that it is the reference. Where
    nothing repairs it they are about the program as it came; `broken_at_start` tells those apart
    that compiled from the start.
    """
    with _opened(task, setup, crates) as program:
        judge = _Judge(task, program, setup.run_s)
        before = program.errors
        watched = _Watched(program)
        start = time.monotonic()
        try:
            fix = _search(task, setup, helpers, watched)
            crash = None
        except Exception as error:
            if isinstance(error, M31RError):
                raise
            fix, crash = None, f"{type(error).__name__}: {error}"
        seconds = time.monotonic() - start
        changes = {} if fix is None else lay(fix.edits, program.text)
        after = before if fix is None else fix.verdict.errors
        if setup.model is not None and setup.model.kind == "reference" and task.fixed is not None:
            changes = {task.main: task.fixed.encode()}
            after = program.check(changes, Deadline(60.0)).errors
        judged = judge.of(changes, after)
        cautions = sorted(fix.cautions) if fix else []
        start = time.monotonic()
        theirs = apply_suggestions(program, setup.limits)
        baseline_s = time.monotonic() - start
        return {
            "id": task.id,
            "path": f"{task.crate}/{task.main}" if task.crate else task.main,
            "broken_at_start": int(bool(before)),
            "errors_before": _codes(before),
            **judged,
            "errors_after": _codes(after),
            "reference": judge.reference(),
            "edit_similarity_before": judge.similarity({}),
            "steps": _steps(fix),
            "sources": sorted({step.source for step in fix.steps}) if fix else [],
            "cautions": cautions,
            "fixed_without_caution": int(judged["fixed"] and not cautions),
            "checks": watched.checks,
            "cut": bool(after) and seconds >= setup.limits.seconds,
            **({"crash": crash} if crash else {}),
            "repaired": {path: text.decode() for path, text in sorted(changes.items())},
            "diff": _diff(program, changes),
            "baseline": {
                **judge.of(theirs.changes, theirs.errors),
                "errors_after": _codes(theirs.errors),
                "checks": theirs.checks,
                "cut": not theirs.finished,
                "diff": _diff(program, theirs.changes),
            },
            "timings_s": {
                "first_fix": watched.first_fix_s and round(watched.first_fix_s, 3),
                "total": round(seconds, 3),
                "baseline": round(baseline_s, 3),
            },
        }


def failed_record(task: RepairTask, reason: str) -> Record:
    """Return the line of a task that gave no result; nothing in it counts as repaired."""
    nothing = {"fixed": 0, "solved": 0, "compiles": False, "passes": None, "runs": None}
    nothing |= {"restored": None, "edit_similarity": None}
    return {
        "id": task.id,
        "path": f"{task.crate}/{task.main}" if task.crate else task.main,
        "broken_at_start": 1,
        "errors_before": [],
        **nothing,
        "errors_after": [],
        "reference": None,
        "edit_similarity_before": None,
        "steps": [],
        "sources": [],
        "cautions": [],
        "fixed_without_caution": 0,
        "checks": 0,
        "cut": False,
        "crash": reason,
        "repaired": {},
        "diff": "",
        "baseline": {**nothing, "errors_after": [], "checks": 0, "cut": False, "diff": ""},
        "timings_s": {"first_fix": None, "total": None, "baseline": None},
    }


class _Judge:
    """Compiler, tests and reference of one task; a verdict is reached once for the same text."""

    def __init__(self, task: RepairTask, program: Program | CrateCompiler, run_s: float) -> None:
        self._task = task
        self._program = program
        self._run_s = run_s
        self._ran: dict[bytes, bool] = {}
        self._reference = self._judge_reference()

    def of(self, changes: Mapping[str, bytes], errors: Sequence[Diagnostic]) -> Record:
        """Judge the program with `changes`, which has these errors."""
        compiles = not errors
        passes = self._pass(changes) if compiles and self._task.tests is not None else None
        must_run = self._reference is not None and bool(self._reference["runs"])
        runs = self._run(changes) if compiles and must_run else None
        fixed = compiles and passes is not False
        return {
            "fixed": int(fixed),
            "solved": int(fixed and runs is not False),
            "compiles": compiles,
            "passes": passes,
            "runs": runs,
            "restored": self._restored(changes),
            "edit_similarity": self.similarity(changes),
        }

    def reference(self) -> Record | None:
        """Return what the reference itself is worth, None where there is none."""
        return self._reference

    def _restored(self, changes: Mapping[str, bytes]) -> int | None:
        """Whether the main file is the reference's, white space at both ends aside."""
        if self._task.fixed is None:
            return None
        text = self._text(changes).decode(errors="replace")
        return int(text.strip() == self._task.fixed.strip())

    def similarity(self, changes: Mapping[str, bytes]) -> float | None:
        """Compare the main file with the reference's."""
        if self._task.fixed is None:
            return None
        text = self._text(changes).decode(errors="replace")
        return round(edit_similarity(text.strip(), self._task.fixed.strip(), "block"), 6)

    def _judge_reference(self) -> Record | None:
        if self._task.fixed is None:
            return None
        changes = {self._task.main: self._task.fixed.encode()}
        errors = self._program.check(changes, Deadline(60.0)).errors
        compiles = not errors
        tested = compiles and self._task.tests is not None
        return {
            "compiles": compiles,
            "passes": self._pass(changes) if tested else None,
            "runs": self._run(changes) if compiles and not self._task.is_library else None,
        }

    def _pass(self, changes: Mapping[str, bytes]) -> bool:
        assert self._task.tests is not None
        text = self._text(changes) + b"\n" + self._task.tests.encode()
        return self._exits_well(
            {**changes, self._task.main: text}, tests=not self._task.tests_are_a_program
        )

    def _run(self, changes: Mapping[str, bytes]) -> bool:
        return self._exits_well(changes, tests=False)

    def _exits_well(self, changes: Mapping[str, bytes], *, tests: bool) -> bool:
        key = repr((sorted(changes.items()), tests)).encode()
        if key not in self._ran:
            assert isinstance(self._program, Program)
            self._ran[key] = self._program.run(changes, tests=tests, seconds=self._run_s).ok
        return self._ran[key]

    def _text(self, changes: Mapping[str, bytes]) -> bytes:
        main = self._task.main
        return changes[main] if main in changes else self._program.text(main)


def _codes(errors: Sequence[Diagnostic]) -> list[dict[str, str]]:
    return [{"code": error.code or "none", "message": error.message} for error in errors]


def _steps(fix: Fix | None) -> list[dict[str, object]]:
    return [
        {"title": step.title, "source": step.source, "cautions": sorted(step.cautions)}
        for step in (fix.steps if fix else ())
    ]


def _diff(program: Compiler, changes: Mapping[str, bytes]) -> str:
    lines: list[str] = []
    for path, text in sorted(changes.items()):
        before, after = (
            each.decode(errors="replace").splitlines() for each in (program.text(path), text)
        )
        lines += difflib.unified_diff(before, after, f"a/{path}", f"b/{path}", lineterm="")
    return "".join(f"{line}\n" for line in lines)
