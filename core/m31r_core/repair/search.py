"""From an error to repairs that compile: propose, rank, check, and go on while errors fall."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from m31r_core.cargo.compiler import Compiler
from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.repair.candidates import Candidate, Proposer, Ranker
from m31r_core.repair.cautions import is_grave, penalty
from m31r_core.repair.edits import overlap
from m31r_core.repair.exploring import Exploration, RepairLimits
from m31r_core.repair.fixes import Fix
from m31r_core.repair.problem import Problem
from m31r_core.repair.ranking import default_ranker
from m31r_core.repair.state import (
    Queue,
    State,
    better,
    has_cautions,
    is_step_forward,
    progresses,
)
from m31r_core.repair.suggestions import machine_applicable

__all__ = ["RepairLimits", "find_fixes", "repair_all"]

_DEEPER_SHARE = 0.6
"""The share of a search's time after which nothing is built on an unfinished repair any more."""
_DETOUR = 1.0
"""What it costs to come back to a state from which a candidate led forward."""


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
        search = Exploration(
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
    harmless = False
    for fix in fixes:
        if is_grave(fix.cautions) and harmless:
            break
        harmless = harmless or not is_grave(fix.cautions)
        if fix.cautions:
            cautious.append(fix)
        else:
            yield fix
    yield from sorted(cautious, key=lambda fix: penalty(fix.cautions))


def _fixes(search: Exploration, error: Diagnostic) -> Iterator[Fix]:
    """Yield what repairs `error`: single candidates, then several, then grave ones."""
    start = search.start()
    listed = search.candidates(start, error)[: search.limits.checks]
    unfinished: list[State] = []
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


def _deeper(search: Exploration, error: Diagnostic, states: Sequence[State]) -> Iterator[Fix]:
    """Go on from states that repaired `error` and uncovered others, the most promising first."""
    queue = Queue(states)
    while (state := queue.pop()) is not None and search.spent() < _DEEPER_SHARE:
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
            elif progresses(state, deeper):
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
        search = Exploration(
            compiler, limits, rank or default_ranker, propose, cancelled or _never, pool
        )
        start = search.start()
        queue = Queue([start])
        together = _all_at_once(search, start)
        best = None if together is None else better(None, together)
        if together is not None:
            queue.push(together)
        while (state := queue.pop()) is not None and not search.exhausted():
            if best is not None and not best.verdict.errors and state.cost >= best.cost:
                break
            if len(state.steps) >= limits.steps * len(compiler.errors):
                continue
            for deeper in _expand_errors(search, state):
                best = better(best, deeper)
                if not deeper.verdict.errors and not has_cautions(deeper):
                    return search.fix(deeper)
                if deeper.verdict.errors and progresses(state, deeper):
                    queue.push(deeper)
                if is_step_forward(state, deeper):
                    # The other candidates wait until this way turns out to be wrong.
                    queue.push(replace(state, cost=state.cost + _DETOUR))
                    break
        return None if best is None else search.fix(best)


def _expand_errors(search: Exploration, state: State) -> Iterator[State]:
    """Try the candidates of the first errors of `state`, those of the first error most."""
    errors = state.verdict.errors
    for i, error in enumerate(errors[:3]):
        limit = search.limits.checks if i == 0 else search.limits.checks // 4
        yield from search.expand(state, search.candidates(state, error)[:limit])


def _all_at_once(search: Exploration, state: State) -> State | None:
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
