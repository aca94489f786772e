"""Where numbers lie on an axis, and which of them are written beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

_STEPS = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Scale:
    """Maps `low` to `high` onto `start` to `end`, which may run the other way.

    Values outside are mapped too, but held at `beyond` times the range from it: what is drawn of
    them is cut off, and its coordinates stay small.
    """

    low: float
    high: float
    start: float
    end: float
    beyond: float = 3.0

    def __post_init__(self) -> None:
        """Raise ValueError for a range that is empty or not finite."""
        if not (math.isfinite(self.high - self.low) and self.low < self.high):
            raise ValueError(f"no range: {self.low} to {self.high}")

    def __call__(self, value: float) -> float:
        """Return the place of `value`."""
        share = (value - self.low) / (self.high - self.low)
        share = min(max(share, -self.beyond), 1 + self.beyond)
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, about: int) -> list[float]:
    """Return the multiples of 1, 2 or 5 times a power of ten from `low` to `high`.

    They are at most about twice `about`; a narrow range may hold one or none.
    """
    rough = (high - low) / about
    if not (math.isfinite(rough) and rough > 0):
        return []
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((power * each for each in _STEPS if power * each >= rough), power * 10)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def value_range(values: Sequence[float], *, from_zero: bool = False) -> tuple[float, float]:
    """Return the range of an axis for finite `values`: wide enough for all but outliers.

    What lies far outside the middle 90% (the first steps' loss, a spike of the gradient) would
    press everything else flat, so it is left out. The range is never empty.
    """
    if not values:
        return 0.0, 1.0
    ordered = sorted(values)
    cut = len(ordered) // 20
    inner_low, inner_high = ordered[cut], ordered[-1 - cut]
    reach = 0.25 * (inner_high - inner_low)
    low = max(ordered[0], inner_low - reach)
    high = min(ordered[-1], inner_high + reach)
    if from_zero:
        low = min(low, 0.0)
    if not low < high:
        margin = abs(high) * 0.05 or 1.0
        low, high = (low - margin, high + margin) if not from_zero else (low, high + margin)
    return low, high


def middles(values: Sequence[float], count: int) -> list[tuple[int, float]]:
    """Return a running median of `values` at about `count` places: their indices and medians.

    A window holds a fortieth of the values, but nine at least, centred; at the ends it is what
    there is of it.
    """
    half = max(len(values) // 80, 4)
    last = len(values) - 1
    places = dict.fromkeys(round(i * last / max(count - 1, 1)) for i in range(count))
    return [(i, median(values[max(i - half, 0) : i + half + 1])) for i in places if values]


def short(value: float) -> str:
    """Write a number in few characters: 1,500 is 1.5k, 0.00021 is 0.00021."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"
