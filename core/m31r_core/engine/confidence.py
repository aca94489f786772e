"""How sure a model is of a text, and what that is worth: the chance that the text is right.

A model's probabilities are those of the next token in text like that of its training, not those of
a line that a user goes on to write. A calibration, fitted on tasks of the validation split, leads
from one to the other: a logistic regression (Platt 1999) on a few numbers, in a file of the bundle.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from m31r_core.errors import M31RError

FEATURES = (
    "bias",
    "sum_if_short",
    "sum_if_long",
    "mean",
    "lowest",
    "first",
    "end",
    "log_characters",
    "log_tokens",
)
_LOGPROBS = slice(1, 7)
"""Of `FEATURES` those that grow with the tokens' probabilities: so must confidence."""

# In characters. Longer lines are rare in what is fitted: nothing is read into their length.
_LONGEST = 50


@dataclass(frozen=True)
class Evidence:
    """What the model said of a line.

    `logprobs`, in nats, are those of its tokens; `end` is that of the text ending there, 0 where
    it is not known; `characters` is the text's length.
    """

    logprobs: tuple[float, ...]
    end: float
    characters: int

    @property
    def mean_probability(self) -> float:
        """The geometric mean of the tokens' probabilities; 0 without tokens."""
        return math.exp(sum(self.logprobs) / len(self.logprobs)) if self.logprobs else 0.0

    def features(self) -> tuple[float, ...]:
        """Return the numbers that `FEATURES` names. There must be tokens."""
        total, length = sum(self.logprobs), math.log1p(min(self.characters, _LONGEST))
        # The sum says less of a long line than of a short one: most of its tokens are certain.
        share = length / math.log1p(_LONGEST)
        return (
            1.0,
            total * (1 - share),
            total * share,
            total / len(self.logprobs),
            min(self.logprobs),
            self.logprobs[0],
            max(self.end, -20.0),
            length,
            math.log1p(len(self.logprobs)),
        )


@dataclass(frozen=True)
class Calibration:
    """Weights of `FEATURES`; without any, confidence is the tokens' geometric mean."""

    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.weights and len(self.weights) != len(FEATURES):
            raise ValueError(f"{len(FEATURES)} weights are needed, not {len(self.weights)}")

    def confidence(self, evidence: Evidence) -> float:
        """Return the chance, 0 to 1, that the text is what comes next; 0 without tokens."""
        if not evidence.logprobs:
            return 0.0
        if not self.weights:
            return evidence.mean_probability
        return self.of_features(evidence.features())

    def of_features(self, features: Sequence[float]) -> float:
        """Return the chance, 0 to 1, for the numbers that `FEATURES` names."""
        score = sum(w * f for w, f in zip(self.weights, features, strict=True))
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))

    @classmethod
    def load(cls, file: Path) -> Calibration:
        """Read a calibration. Raises M31RError naming the file when it is none."""
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            by_name = data["weights"]
            return cls(tuple(float(by_name[name]) for name in FEATURES))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise M31RError(f"{file}: not a calibration of this version ({error})") from error

    def dump(self, fitted_on: str) -> str:
        """Return the file's content; `fitted_on` says which tasks the weights are from."""
        weights = {
            name: round(weight, 6) for name, weight in zip(FEATURES, self.weights, strict=True)
        }
        return json.dumps({"fitted_on": fitted_on, "weights": weights}, indent=2) + "\n"


def worth_showing(confidence: float, characters: int) -> float:
    """Return how much a text is worth showing, 0 to 1: its confidence if it has ten characters.

    A longer text saves more when it is right, and may be less certain: the odds are multiplied by
    the square root of its length in tens. The exponent was chosen on the validation tasks
    (docs/ghost-text.md).
    """
    if confidence >= 1 or confidence <= 0 or characters <= 0:
        return max(0.0, min(1.0, confidence)) if characters > 0 else 0.0
    odds = confidence / (1 - confidence) * math.sqrt(characters / 10)
    return odds / (1 + odds)


def fit_calibration(rows: Sequence[Sequence[float]], right: Sequence[bool]) -> Calibration:
    """Return the calibration that fits features [n, FEATURES] and whether the lines were right.

    No weight of a log-probability is negative, so that less likely text is never more certain:
    those that would be are 0, the lowest first.
    """
    columns = list(range(len(FEATURES)))
    while True:
        found = dict(
            zip(columns, fit([[row[i] for i in columns] for row in rows], right), strict=True)
        )
        negative = [i for i in columns[_LOGPROBS.start :] if i < _LOGPROBS.stop and found[i] < 0]
        if not negative:
            return Calibration(tuple(found.get(i, 0.0) for i in range(len(FEATURES))))
        columns.remove(min(negative, key=found.__getitem__))


def fit(
    rows: Sequence[Sequence[float]], right: Sequence[bool], *, ridge: float = 1.0
) -> tuple[float, ...]:
    """Return the weights of a logistic regression of `right` on `rows` [n, features].

    Newton's method on the likelihood with an L2 penalty of `ridge` on standardised features, the
    first one, the bias, left out.
    """
    import numpy as np

    x = np.asarray(rows, dtype=np.float64)
    y = np.asarray(right, dtype=np.float64)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    mean[0], deviation[0] = 0.0, 1.0
    deviation[deviation == 0] = 1.0
    z = (x - mean) / deviation
    penalty = np.full(z.shape[1], ridge)
    penalty[0] = 0.0
    weights = np.zeros(z.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(z @ weights, -30, 30)))
        gradient = z.T @ (p - y) + penalty * weights
        hessian = (z.T * (p * (1 - p))) @ z + np.diag(penalty + 1e-9)
        step = np.linalg.solve(hessian, gradient)
        weights -= step
        if np.abs(step).max() < 1e-10:
            break
    plain = weights / deviation
    plain[0] = weights[0] - float((weights[1:] * mean[1:] / deviation[1:]).sum())
    return tuple(float(weight) for weight in plain)
