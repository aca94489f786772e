"""A repair that the compiler has accepted."""

from __future__ import annotations

from dataclasses import dataclass

from m31r_core.cargo.compiler import Verdict
from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.repair.candidates import Candidate, Caution
from m31r_core.repair.edits import Edit


@dataclass(frozen=True)
class Fix:
    """Edits of the user's files, and the verdict that was reached with exactly these.

    `steps` are the candidates in the order in which they were laid on each other; there is more
    than one where a repair uncovered the next error. `edits` are the sum of them. `checks` counts
    the compilations behind it, `seconds` the wall time from the question.
    """

    edits: tuple[Edit, ...]
    steps: tuple[Candidate, ...]
    verdict: Verdict
    checks: int
    seconds: float

    @property
    def title(self) -> str:
        """What changes, in the imperative."""
        return "; ".join(dict.fromkeys(step.title for step in self.steps))

    @property
    def cautions(self) -> frozenset[Caution]:
        """How it may silence an error rather than repair it; empty for most."""
        return frozenset[Caution]().union(*(step.cautions for step in self.steps))

    @property
    def source(self) -> str:
        """Where its first step comes from."""
        return self.steps[0].source

    def repairs(self, error: Diagnostic) -> bool:
        """Whether `error` is gone."""
        return any(gone.identity == error.identity for gone in self.verdict.gone)
