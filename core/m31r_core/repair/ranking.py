"""Which candidate to check first."""

from __future__ import annotations

from collections.abc import Sequence

from m31r_core.cargo.compiler import Compiler
from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.repair.candidates import Candidate


def default_ranker(
    compiler: Compiler, error: Diagnostic, candidates: Sequence[Candidate]
) -> list[float]:
    """Score by the templates' weights alone."""
    return [candidate.weight for candidate in candidates]
