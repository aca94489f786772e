"""From losses at several learning rates to the best rate, and from sizes to a larger one.

Near its minimum the loss is close to a parabola in the logarithm of the learning rate, and the
best rate follows a power law in model size and batch size (Li et al. 2025, arXiv 2503.04715; the
same form over compute in DeepSeek-AI 2024, arXiv 2401.02954).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Verdict = Literal["inside", "edge", "flat", "few", "uneven"]

# Measured rates on either side of the lowest loss that the parabola is laid through.
_NEIGHBOURS = 2
# A parabola that leaves more than this share of the losses' variance unexplained is no fit.
_UNEXPLAINED = 0.2


@dataclass(frozen=True)
class Optimum:
    """The best rate, and whether to believe it.

    `verdict`: "inside" where losses rise on both sides, "edge" where the lowest is at the end of
    those measured (`rate` is that one: measure on), "flat" where they differ by no more than the
    noise, "few" for less than three rates, "uneven" where they are no parabola. `low` and `high`
    bound the rates whose loss the parabola puts within the noise of the lowest, inside those
    measured; they are `rate` itself unless the verdict is "inside".
    """

    rate: float
    loss: float
    low: float
    high: float
    verdict: Verdict


@dataclass(frozen=True)
class PowerLaw:
    """`constant` x the product of each quantity to its exponent.

    `error` is the root mean square of the residuals' logarithm; None where there are no more
    points than unknowns, so that nothing can be said of it.
    """

    constant: float
    exponents: tuple[float, ...]
    error: float | None

    def at(self, *quantities: float) -> float:
        """Return the value at `quantities`, in the order of the exponents."""
        pairs = zip(quantities, self.exponents, strict=True)
        return self.constant * math.prod(math.pow(*pair) for pair in pairs)


def optimum(losses: Mapping[float, float], noise: float = 0.0) -> Optimum:
    """Return the best of the rates in `losses` (rate to loss, nats), by a parabola in its log.

    `noise` is the standard deviation of a loss, in nats. A loss that is not finite (a run that
    diverged) bounds the rates but takes no part in the fit. Raises ValueError when none is finite.
    """
    rates = sorted(rate for rate, loss in losses.items() if math.isfinite(loss))
    if not rates:
        raise ValueError("no finite loss")
    values = [losses[rate] for rate in rates]
    best = values.index(min(values))
    rate, loss = rates[best], values[best]

    def as_measured(verdict: Verdict) -> Optimum:
        return Optimum(rate, loss, rate, rate, verdict)

    if len(rates) < 3:
        return as_measured("few")
    if max(values) - loss <= 2 * noise:
        return as_measured("flat")
    if best in (0, len(rates) - 1):
        return as_measured("edge")
    near = slice(max(best - _NEIGHBOURS, 0), best + _NEIGHBOURS + 1)
    x, y = np.log(rates[near]), np.array(values[near])
    bend, slope, level = np.polyfit(x - x.mean(), y, 2)
    residual = y - np.polyval([bend, slope, level], x - x.mean())
    if bend <= 0 or float(residual.var()) > _UNEXPLAINED * float(y.var()):
        return as_measured("uneven")
    place = float(np.clip(-slope / (2 * bend), x[0] - x.mean(), x[-1] - x.mean()))
    reach = math.sqrt(noise / bend)
    low, middle, high = (
        math.exp(float(np.clip(place + step + x.mean(), x[0], x[-1])))
        for step in (-reach, 0.0, reach)
    )
    lowest = float(np.polyval([bend, slope, level], place))
    return Optimum(middle, lowest, low, high, "inside")


def power_law(points: Sequence[tuple[Sequence[float], float]]) -> PowerLaw:
    """Fit a power law to (quantities, value) by least squares in logarithms.

    Raises ValueError when the points do not determine it: fewer than its unknowns, or a quantity
    that is the same in all of them.
    """
    x = np.array([[1.0, *map(math.log, quantities)] for quantities, _ in points])
    y = np.log([value for _, value in points])
    if not len(points) or np.linalg.matrix_rank(x) < x.shape[1]:
        raise ValueError("too few different sizes for a power law")
    solution = np.linalg.lstsq(x, y, rcond=None)[0]
    spare = len(points) - x.shape[1]
    error = float(np.sqrt(np.square(x @ solution - y).sum() / spare)) if spare else None
    return PowerLaw(math.exp(float(solution[0])), tuple(map(float, solution[1:])), error)


def noise_of(repeats: Iterable[Sequence[float]]) -> float | None:
    """Return the pooled standard deviation of runs that differ in their seed alone.

    Each item holds the losses of one setting. None where no setting was run twice.
    """
    squares, freedom = 0.0, 0
    for losses in repeats:
        finite = [loss for loss in losses if math.isfinite(loss)]
        if len(finite) > 1:
            squares += float(np.var(finite)) * len(finite)
            freedom += len(finite) - 1
    return math.sqrt(squares / freedom) if freedom else None
