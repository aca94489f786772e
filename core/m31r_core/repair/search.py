"""From an error to repairs that compile: propose, rank, check, and go on while errors fall."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from m31r_core.cargo.compiler import Compiler
from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.repair.candidates import Candidate
from m31r_core.repair.fixes import Fix

Ranker = Callable[[Compiler, Diagnostic, Sequence[Candidate]], Sequence[float]]
"""Score candidates for one error, higher is better; the model's likelihood where there is one."""


@dataclass(frozen=True)
class RepairLimits:
    """How far a search goes: `seconds` of wall time, `checks` candidates per step, `steps` deep."""

    seconds: float = 10.0
    checks: int = 24
    steps: int = 6


def find_fixes(
    compiler: Compiler,
    error: Diagnostic,
    limits: RepairLimits,
    *,
    rank: Ranker | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Fix]:
    """Yield fixes after which `error` is gone and no new error is there, the best first.

    Fixes without a caution come before those with one. Raises CargoError when the compiler
    cannot answer at all.
    """
    raise NotImplementedError


def repair_all(
    compiler: Compiler,
    limits: RepairLimits,
    *,
    rank: Ranker | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Fix | None:
    """Return the largest set of repairs that passes together, None where nothing helps."""
    raise NotImplementedError
