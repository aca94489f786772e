"""Which candidate to check first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from m31r_core.cargo.compiler import Compiler
from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.engine import Completer
from m31r_core.repair.candidates import Candidate, Ranker
from m31r_core.repair.likelihood import gains

# All four were fitted on mutants of one half of the crates and judged on the other
# (docs/rewrite.md).
GAIN_SHARE = 0.13
"""What a nat of the model's likelihood counts, in log-odds of a template's weight."""
UNJUDGED_GAIN = -4.0
"""What stands for the gain, in nats, of a candidate that the model did not judge."""
SIZE_SHARE = 0.47
"""What an edit loses for being e times as large."""
USUAL_SIZE = 8
"""The bytes, put and taken, of an edit that loses nothing."""
MOST_GAIN = 30.0


def default_ranker(
    compiler: Compiler, error: Diagnostic, candidates: Sequence[Candidate]
) -> list[float]:
    """Score by the templates' weights alone."""
    return [candidate.weight for candidate in candidates]


def model_ranker(completer: Completer, *, cancelled: Callable[[], bool] | None = None) -> Ranker:
    """Return a ranker that adds the model's likelihood of the lines to the templates' weights.

    Scores are probabilities, 0 to 1: log-odds of the weight, plus a share of what the candidate
    adds to the log-probability of the lines that it touches, less for a larger edit.
    """

    def rank(compiler: Compiler, error: Diagnostic, candidates: Sequence[Candidate]) -> list[float]:
        found = gains(completer, candidates, compiler.text, cancelled=cancelled)
        return [
            combine(candidate.weight, gain, _size(candidate))
            for candidate, gain in zip(candidates, found, strict=True)
        ]

    return rank


def combine(weight: float, gain: float | None, size: int) -> float:
    """Return the score of a candidate: prior weight, the model's gain in nats, bytes of edits."""
    weight = min(max(weight, 0.01), 0.99)
    nats = UNJUDGED_GAIN if gain is None else min(max(gain, -MOST_GAIN), MOST_GAIN)
    odds = math.log(weight / (1 - weight)) + GAIN_SHARE * nats
    odds -= SIZE_SHARE * math.log((1 + size) / (1 + USUAL_SIZE))
    return 1 / (1 + math.exp(-odds))


def _size(candidate: Candidate) -> int:
    return sum(len(edit.text.encode()) + edit.end - edit.start for edit in candidate.edits)
