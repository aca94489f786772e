"""From an error to repairs that compile: propose, rank, check, and go on while errors fall."""

from __future__ import annotations

import heapq
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from m31r_core.cargo.compiler import Compiler, Verdict
from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.cargo.process import CargoError, Deadline
from m31r_core.repair.candidates import Candidate, Caution, Proposer, Ranker
from m31r_core.repair.edits import Edit, difference, lay, overlap
from m31r_core.repair.fixes import Fix
from m31r_core.repair.problem import Problem
from m31r_core.repair.ranking import default_ranker
from m31r_core.repair.suggestions import from_rustc, machine_applicable
from m31r_core.repair.templates import from_templates

_PENALTIES: Mapping[Caution, float] = {
    "deletes code": 2.0,
    "adds todo!()": 2.0,
    "may panic": 1.2,
    "adds unsafe": 1.0,
    "adds unwrap()": 0.8,
    "weakens a type": 0.8,
    "invents a value": 0.6,
}
"""What a caution costs where states are compared; a candidate's weight is worth at most 1."""
_DETOUR = 1.0
"""What it costs to come back to a state from which a candidate led forward."""


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


_Key = tuple[tuple[str, bytes], ...]


def _key(changes: Mapping[str, bytes]) -> _Key:
    return tuple(sorted(changes.items()))


@dataclass(frozen=True)
class _State:
    """Texts that were reached by candidates, and what the compiler says of them."""

    changes: Mapping[str, bytes]
    steps: tuple[Candidate, ...]
    verdict: Verdict
    cost: float = 0.0


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
class _Search:
    """What one search shares: budget, pool, and what was tried before."""

    compiler: Compiler
    limits: RepairLimits
    rank: Ranker
    propose: Proposer | None
    cancelled: Callable[[], bool]
    pool: ThreadPoolExecutor
    started: float = field(default_factory=time.monotonic)
    checks: int = 0
    seen: set[_Key] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.deadline = Deadline(self.limits.seconds)
        self.files = _Files(self.compiler)

    def start(self) -> _State:
        """Return the state in which nothing is changed."""
        return _State({}, (), Verdict((), (), self.compiler.errors, 0.0))

    def view(self, state: _State) -> _View:
        """Return the files as they are in `state`."""
        return _View(self.compiler, self.files, state.changes)

    def exhausted(self) -> bool:
        return (
            self.checks >= self.limits.total
            or time.monotonic() - self.started >= self.limits.seconds
            or self.cancelled()
        )

    def candidates(self, state: _State, error: Diagnostic) -> list[tuple[float, Candidate]]:
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
        self, state: _State, candidates: Sequence[tuple[float, Candidate]]
    ) -> Iterator[_State]:
        """Check candidates on top of `state`, as many at a time as there are lanes, in order.

        Texts that were yielded before are passed over; those that a caller left behind are not.
        """
        waiting = []
        for score, candidate in candidates:
            changes = self._changed(state, candidate)
            if changes is not None and _key(changes) not in self.seen:
                waiting.append((score, candidate, changes))
        lanes = max(1, self.compiler.lanes)
        for start in range(0, len(waiting), lanes):
            if self.exhausted():
                return
            batch = waiting[start : start + lanes]
            self.checks += len(batch)
            verdicts = list(self.pool.map(self._check, (changes for _, _, changes in batch)))
            for (score, candidate, changes), verdict in zip(batch, verdicts, strict=True):
                if verdict is not None and _key(changes) not in self.seen:
                    self.seen.add(_key(changes))
                    cost = state.cost + 1.0 - score + _penalty(candidate)
                    yield _State(changes, (*state.steps, candidate), verdict, cost)

    def _changed(self, state: _State, candidate: Candidate) -> Mapping[str, bytes] | None:
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

    def fix(self, state: _State) -> Fix:
        edits: list[Edit] = []
        for path, text in sorted(state.changes.items()):
            edits += difference(path, self.files.text(path), text)
        seconds = time.monotonic() - self.started
        return Fix(tuple(edits), state.steps, state.verdict, self.checks, seconds)


def find_fixes(
    compiler: Compiler,
    error: Diagnostic,
    limits: RepairLimits,
    *,
    rank: Ranker | None = None,
    propose: Proposer | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Fix]:
    """Yield fixes after which `error` is gone and no new error is there, the best first.

    Fixes with a caution come last, and those that delete code, leave it to do or panic only when
    nothing else passes. A candidate that repairs the error and uncovers others is gone on from
    while there is no better fix. Raises CargoError when the compiler cannot answer at all.
    """
    with ThreadPoolExecutor(max_workers=max(1, compiler.lanes)) as pool:
        search = _Search(
            compiler, limits, rank or default_ranker, propose, cancelled or _never, pool
        )
        titles: set[str] = set()
        for fix in _by_gravity(_fixes(search, error)):
            if fix.title not in titles:
                titles.add(fix.title)
                yield fix


def _by_gravity(fixes: Iterator[Fix]) -> Iterator[Fix]:
    """Yield fixes without a caution as they come, then the others, the least grave first.

    Grave ones, which come last, are not asked for when there was another.
    """
    cautious: list[Fix] = []
    better = False
    for fix in fixes:
        if is_grave(fix.cautions) and better:
            break
        better = better or not is_grave(fix.cautions)
        if fix.cautions:
            cautious.append(fix)
        else:
            yield fix
    yield from sorted(cautious, key=lambda fix: sum(_PENALTIES[c] for c in fix.cautions))


def _fixes(search: _Search, error: Diagnostic) -> Iterator[Fix]:
    """Yield what repairs `error`: single candidates, then several, then grave ones."""
    start = search.start()
    listed = search.candidates(start, error)[: search.limits.checks]
    unfinished: list[_State] = []
    clean = False
    for state in search.expand(start, [pair for pair in listed if not is_grave(pair[1].cautions)]):
        fix = search.fix(state)
        if not fix.repairs(error):
            continue
        if state.verdict.passed:
            clean = clean or not fix.cautions
            yield fix
        else:
            unfinished.append(state)
    if not clean:
        yield from _deeper(search, error, unfinished)
    for state in search.expand(start, [pair for pair in listed if is_grave(pair[1].cautions)]):
        fix = search.fix(state)
        if state.verdict.passed and fix.repairs(error):
            yield fix


def _deeper(search: _Search, error: Diagnostic, states: Sequence[_State]) -> Iterator[Fix]:
    """Go on from states that repaired `error` and uncovered others, the most promising first."""
    queue = _Queue(states)
    while (state := queue.pop()) is not None and not search.exhausted():
        if len(state.steps) >= search.limits.steps or not state.verdict.new:
            continue
        listed = search.candidates(state, state.verdict.new[0])[: search.limits.checks // 2]
        for deeper in search.expand(state, [p for p in listed if not is_grave(p[1].cautions)]):
            fix = search.fix(deeper)
            if not fix.repairs(error):
                continue
            if deeper.verdict.passed:
                yield fix
                if not fix.cautions:
                    return
            elif _progress(state, deeper):
                queue.push(deeper)


def repair_all(
    compiler: Compiler,
    limits: RepairLimits,
    *,
    rank: Ranker | None = None,
    propose: Proposer | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Fix | None:
    """Return the largest set of repairs that passes together, None where nothing helps.

    A best-first search: of the states reached so far, the one with the fewest errors in the
    latest phase of the compiler is gone on from.
    """
    if not compiler.errors:
        return None
    with ThreadPoolExecutor(max_workers=max(1, compiler.lanes)) as pool:
        search = _Search(
            compiler, limits, rank or default_ranker, propose, cancelled or _never, pool
        )
        start = search.start()
        queue = _Queue([start])
        together = _all_at_once(search, start)
        best = None if together is None else _better(None, together)
        if together is not None:
            queue.push(together)
        while (state := queue.pop()) is not None and not search.exhausted():
            if best is not None and not best.verdict.errors and state.cost >= best.cost:
                break
            if len(state.steps) >= limits.steps * len(compiler.errors):
                continue
            for deeper in _expand_errors(search, state):
                best = _better(best, deeper)
                if not deeper.verdict.errors and not _has_cautions(deeper):
                    return search.fix(deeper)
                if deeper.verdict.errors and _progress(state, deeper):
                    queue.push(deeper)
                if _is_step_forward(state, deeper):
                    # The other candidates wait until this way turns out to be wrong.
                    queue.push(replace(state, cost=state.cost + _DETOUR))
                    break
        return None if best is None else search.fix(best)


class _Queue:
    """States to go on from, the most promising first; the older one among equals."""

    def __init__(self, states: Iterable[_State]) -> None:
        self._order = itertools.count()
        self._waiting: list[tuple[float, int, _State]] = []
        for state in states:
            self.push(state)

    def push(self, state: _State) -> None:
        heapq.heappush(self._waiting, (_urgency(state), next(self._order), state))

    def pop(self) -> _State | None:
        return heapq.heappop(self._waiting)[2] if self._waiting else None


def _expand_errors(search: _Search, state: _State) -> Iterator[_State]:
    """Try the candidates of the first errors of `state`, those of the first error most."""
    errors = state.verdict.errors
    for i, error in enumerate(errors[:3]):
        limit = search.limits.checks if i == 0 else search.limits.checks // 4
        yield from search.expand(state, search.candidates(state, error)[:limit])


def _all_at_once(search: _Search, state: _State) -> _State | None:
    """Apply every machine-applicable suggestion of rustc that does not meet another."""
    view = search.view(state)
    paths = search.files.paths
    problems = [
        Problem(error, view.text, paths)
        for error in state.verdict.errors
        if error.primary is not None and error.primary.path in paths
    ]
    edits = [edit for edit in machine_applicable(problems) if edit.path in paths]
    if len(problems) < 2 or not edits or overlap(edits):
        return None
    candidate = Candidate("apply what rustc proposes", tuple(edits), "rustc", 0.9)
    return next(iter(search.expand(state, [(0.9, candidate)])), None)


def _never() -> bool:
    return False


def is_grave(cautions: frozenset[Caution]) -> bool:
    """Whether a candidate is worth trying only when nothing else passes."""
    return bool(cautions & {"deletes code", "adds todo!()", "may panic"})


def _penalty(candidate: Candidate) -> float:
    return sum(_PENALTIES[caution] for caution in candidate.cautions)


def _place(score: float, candidate: Candidate) -> float:
    return score - _penalty(candidate)


def _has_cautions(state: _State) -> bool:
    return any(step.cautions for step in state.steps)


def _better(best: _State | None, state: _State) -> _State | None:
    """Keep the state that passes with the most errors gone, the cheaper one among equals."""
    if not state.verdict.passed or not state.verdict.gone:
        return best
    if best is None:
        return state

    def key(each: _State) -> tuple[int, float]:
        return (-len(each.verdict.gone), each.cost)

    return state if key(state) < key(best) else best


_LATE = frozenset(
    [
        "E0373",
        "E0381",
        "E0382",
        "E0384",
        "E0499",
        "E0500",
        "E0501",
        "E0502",
        "E0503",
        "E0505",
        "E0506",
        "E0507",
        "E0508",
        "E0509",
        "E0510",
        "E0515",
        "E0521",
        "E0594",
        "E0596",
        "E0597",
        "E0621",
        "E0700",
        "E0712",
        "E0713",
        "E0716",
    ]
)
_EARLY = frozenset(
    [
        "E0401",
        "E0403",
        "E0404",
        "E0405",
        "E0407",
        "E0408",
        "E0411",
        "E0412",
        "E0415",
        "E0416",
        "E0422",
        "E0423",
        "E0424",
        "E0425",
        "E0426",
        "E0428",
        "E0429",
        "E0430",
        "E0431",
        "E0432",
        "E0433",
        "E0434",
        "E0435",
        "E0437",
        "E0438",
        "E0252",
        "E0254",
        "E0255",
        "E0259",
        "E0260",
        "E0261",
        "E0262",
        "E0531",
        "E0532",
        "E0573",
        "E0574",
        "E0575",
        "E0576",
        "E0603",
        "E0106",
    ]
)


def _phase(error: Diagnostic) -> int:
    """How far rustc came before it said so: parser, names, types, borrows."""
    if error.code in _LATE or "lifetime may not live long enough" in error.message:
        return 3
    if error.code in _EARLY:
        return 1
    return 2 if error.code else 0


def _urgency(state: _State) -> float:
    errors = state.verdict.errors
    phase = min((_phase(error) for error in errors), default=4)
    return state.cost + 0.7 * len(errors) - 0.7 * phase


def _is_step_forward(before: _State, after: _State) -> bool:
    """Whether the last candidate only took errors away, and carries no caution."""
    old = Counter(error.identity for error in before.verdict.errors)
    new = Counter(error.identity for error in after.verdict.errors)
    return new < old and not after.steps[-1].cautions


def _progress(before: _State, after: _State) -> bool:
    """Whether fewer errors are left, or others of a later phase, or at least not more."""
    old, new = before.verdict.errors, after.verdict.errors
    if {e.identity for e in old} == {e.identity for e in new}:
        return False
    phases = [min((_phase(error) for error in errors), default=4) for errors in (old, new)]
    return phases[1] > phases[0] or len(new) <= len(old)
