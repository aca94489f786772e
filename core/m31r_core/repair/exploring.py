"""One search at work: its budget, the candidates for an error, and their checks in parallel."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from m31r_core.cargo.compiler import Compiler, Verdict
from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.cargo.process import CargoError, Deadline
from m31r_core.repair.candidates import Candidate, Proposer, Ranker
from m31r_core.repair.cautions import penalty
from m31r_core.repair.edits import Edit, difference, lay
from m31r_core.repair.fixes import Fix
from m31r_core.repair.problem import Problem
from m31r_core.repair.ranking import default_ranker
from m31r_core.repair.state import Key, State, key_of
from m31r_core.repair.suggestions import from_rustc
from m31r_core.repair.templates import from_templates


@dataclass(frozen=True)
class RepairLimits:
    """How far a search goes.

    `seconds` of wall time, `checks` candidates of one error, `steps` candidates on each other,
    `total` compilations. With `cautions` false, candidates that carry one are not tried.
    """

    seconds: float = 10.0
    checks: int = 24
    steps: int = 6
    total: int = 400
    cautions: bool = True


class _Files:
    """The compiler's files, each read once: a search asks for them again and again."""

    def __init__(self, compiler: Compiler) -> None:
        self._compiler = compiler
        self._texts: dict[str, bytes] = {}
        self.paths = tuple(compiler.paths())

    def text(self, path: str) -> bytes:
        if path not in self._texts:
            self._texts[path] = self._compiler.text(path)
        return self._texts[path]


class _View:
    """The compiler's files with the changes of a state laid over them."""

    def __init__(self, compiler: Compiler, files: _Files, changes: Mapping[str, bytes]) -> None:
        self._compiler = compiler
        self._files = files
        self._changes = changes
        self.lanes = compiler.lanes
        self.errors: tuple[Diagnostic, ...] = compiler.errors

    def text(self, path: str) -> bytes:
        changed = self._changes.get(path)
        return self._files.text(path) if changed is None else changed

    def paths(self) -> Sequence[str]:
        return self._files.paths

    def check(self, changes: Mapping[str, bytes], deadline: Deadline) -> Verdict:
        return self._compiler.check({**self._changes, **changes}, deadline)


@dataclass
class Exploration:
    """What one search shares: budget, pool, and what was tried before."""

    compiler: Compiler
    limits: RepairLimits
    rank: Ranker
    propose: Proposer | None
    cancelled: Callable[[], bool]
    pool: ThreadPoolExecutor
    started: float = field(default_factory=time.monotonic)
    checks: int = 0
    seen: set[Key] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.deadline = Deadline(self.limits.seconds)
        self.files = _Files(self.compiler)

    def start(self) -> State:
        """Return the state in which nothing is changed."""
        return State({}, (), Verdict((), (), self.compiler.errors, 0.0))

    def view(self, state: State) -> _View:
        """Return the files as they are in `state`."""
        return _View(self.compiler, self.files, state.changes)

    def spent(self) -> float:
        """Return the share of the time or the compilations that is used up; 1 when cancelled."""
        if self.cancelled():
            return 1.0
        seconds = time.monotonic() - self.started
        return max(self.checks / self.limits.total, seconds / self.limits.seconds)

    def exhausted(self) -> bool:
        """Whether time or compilations are used up, or the search was cancelled."""
        return self.spent() >= 1

    def candidates(self, state: State, error: Diagnostic) -> list[tuple[float, Candidate]]:
        """Return the candidates for an error of `state` that were not tried before, best first."""
        view = self.view(state)
        paths = self.files.paths
        if error.primary is None or error.primary.path not in paths:
            return []
        problem = Problem(error, view.text, paths)
        found = list(itertools.chain(from_rustc(problem), from_templates(problem)))
        # A model takes time that late in a search is better spent on rustc.
        early = time.monotonic() - self.started < self.limits.seconds / 2
        if self.propose is not None and early:
            found += self.propose(view, error)
        unique: dict[tuple[Edit, ...], Candidate] = {}
        for candidate in found:
            if candidate.cautions and not self.limits.cautions:
                continue
            key = tuple(sorted(candidate.edits))
            if key and (key not in unique or unique[key].weight < candidate.weight):
                unique[key] = candidate
        listed = list(unique.values())
        rank = self.rank if early else default_ranker
        scores = rank(view, error, listed)
        ranked = zip(scores, listed, strict=True)
        return sorted(ranked, key=lambda pair: (-_place(*pair), pair[1].title, pair[1].edits))

    def expand(
        self, state: State, candidates: Sequence[tuple[float, Candidate]]
    ) -> Iterator[State]:
        """Check candidates on top of `state`, as many at a time as there are lanes, in order.

        Texts that were yielded before are passed over; those that a caller left behind are not.
        """
        waiting = []
        for score, candidate in candidates:
            changes = self._changed(state, candidate)
            if changes is not None and key_of(changes) not in self.seen:
                waiting.append((score, candidate, changes))
        lanes = max(1, self.compiler.lanes)
        for start in range(0, len(waiting), lanes):
            if self.exhausted():
                return
            batch = waiting[start : start + lanes]
            self.checks += len(batch)
            verdicts = list(self.pool.map(self._check, (changes for _, _, changes in batch)))
            for (score, candidate, changes), verdict in zip(batch, verdicts, strict=True):
                if verdict is not None and key_of(changes) not in self.seen:
                    self.seen.add(key_of(changes))
                    cost = state.cost + 1.0 - score + penalty(candidate.cautions)
                    yield State(changes, (*state.steps, candidate), verdict, cost)

    def _changed(self, state: State, candidate: Candidate) -> Mapping[str, bytes] | None:
        view = self.view(state)
        try:
            laid = lay(candidate.edits, view.text)
        except (ValueError, CargoError):
            return None
        if all(view.text(path) == text for path, text in laid.items()):
            return None
        return {**state.changes, **laid}

    def _check(self, changes: Mapping[str, bytes]) -> Verdict | None:
        try:
            return self.compiler.check(changes, self.deadline)
        except CargoError:
            return None

    def fix(self, state: State) -> Fix:
        """Return the state as edits of the user's files."""
        edits: list[Edit] = []
        for path, text in sorted(state.changes.items()):
            edits += difference(path, self.files.text(path), text)
        seconds = time.monotonic() - self.started
        return Fix(tuple(edits), state.steps, state.verdict, self.checks, seconds)


def _place(score: float, candidate: Candidate) -> float:
    return score - penalty(candidate.cautions)
