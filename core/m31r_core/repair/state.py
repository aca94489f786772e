"""Where a search stands: texts that candidates led to, and how promising they are."""

from __future__ import annotations

import heapq
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from m31r_core.cargo.compiler import Verdict
from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.repair.candidates import Candidate

Key = tuple[tuple[str, bytes], ...]

_NAMES = re.compile(
    r"E0(?:106|25[2459]|26[0-2]|4(?:0[1-8]|1[1256]|2[2-9]|3[0-578])|53[12]|57[3-6]|603)"
)
_BORROWS = re.compile(r"E0(?:373|38[124]|499|50[0-35-9]|51[05]|521|59[467]|621|700|71[236])")
_TOO_SHORT = "lifetime may not live long enough"


def key_of(changes: Mapping[str, bytes]) -> Key:
    """Return what equal texts have in common."""
    return tuple(sorted(changes.items()))


@dataclass(frozen=True)
class State:
    """Texts that were reached by candidates, and what the compiler says of them."""

    changes: Mapping[str, bytes]
    steps: tuple[Candidate, ...]
    verdict: Verdict
    cost: float = 0.0


class Queue:
    """States to go on from, the most promising first; the older one among equals."""

    def __init__(self, states: Iterable[State]) -> None:
        self._order = itertools.count()
        self._waiting: list[tuple[float, int, State]] = []
        for state in states:
            self.push(state)

    def push(self, state: State) -> None:
        """Add a state."""
        heapq.heappush(self._waiting, (urgency(state), next(self._order), state))

    def pop(self) -> State | None:
        """Take the most promising state; None when none is left."""
        return heapq.heappop(self._waiting)[2] if self._waiting else None


def has_cautions(state: State) -> bool:
    """Whether a candidate that led to the state carries one."""
    return any(step.cautions for step in state.steps)


def better(best: State | None, state: State) -> State | None:
    """Keep the state that passes with the most errors gone, the cheaper one among equals."""
    if not state.verdict.passed or not state.verdict.gone:
        return best
    if best is None:
        return state

    def key(each: State) -> tuple[int, float]:
        return (-len(each.verdict.gone), each.cost)

    return state if key(state) < key(best) else best


def is_step_forward(before: State, after: State) -> bool:
    """Whether the last candidate only took errors away, and carries no caution."""
    old = Counter(error.identity for error in before.verdict.errors)
    new = Counter(error.identity for error in after.verdict.errors)
    return new < old and not after.steps[-1].cautions


def progresses(before: State, after: State) -> bool:
    """Whether fewer errors are left, or others of a later phase, or at least not more."""
    old, new = before.verdict.errors, after.verdict.errors
    if {e.identity for e in old} == {e.identity for e in new}:
        return False
    phases = [min((_phase(error) for error in errors), default=4) for errors in (old, new)]
    return phases[1] > phases[0] or len(new) <= len(old)


def urgency(state: State) -> float:
    """Return what a queue is sorted by, the least first: cost, errors left, how late they come."""
    errors = state.verdict.errors
    phase = min((_phase(error) for error in errors), default=4)
    return state.cost + 0.7 * len(errors) - 0.7 * phase


def _phase(error: Diagnostic) -> int:
    """How far rustc came before it said so: parser, names, types, borrows."""
    code = error.code or ""
    if _BORROWS.fullmatch(code) or _TOO_SHORT in error.message:
        return 3
    if _NAMES.fullmatch(code):
        return 1
    return 2 if code else 0
