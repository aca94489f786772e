"""What a completion is worth: pure functions over strings and numbers.

A task's middle is compared with the *kept* part of a completion (`kept`), both right-stripped: what
an editor would show, without the trailing white space that no reader sees.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]

_TOKEN = re.compile(r"\s*(?:\w+|[^\w\s]+)?")


def kept(text: str, kind: str) -> str:
    """Return the part of `text` that a task of `kind` is about, right-stripped.

    `line`: up to the first line break; `token`: the first word or run of punctuation of that line;
    `block`: all of it.
    """
    if kind == "block":
        return text.rstrip()
    line = text.split("\n", 1)[0]
    if kind == "token":
        match = _TOKEN.match(line)
        line = match.group() if match else ""
    return line.rstrip()


def exact_match(completion: str, middle: str, kind: str = "line") -> bool:
    """Whether the kept part of `completion` equals the middle, both right-stripped.

    For a line task: the completion's first line, right-stripped, equals the middle, right-stripped.
    Leading white space and case count.
    """
    return kept(completion, kind) == middle.rstrip()


def edit_similarity(completion: str, middle: str, kind: str = "line") -> float:
    """Return 1 - d / max(len a, len b), from 0 (nothing in common) to 1 (equal).

    a is the kept part of `completion`, b the right-stripped middle, d their Levenshtein distance in
    characters (insertions, deletions and substitutions cost 1). Two empty strings give 1.
    RepoBench and CodeXGLUE report `fuzz.ratio`, whose substitutions cost 2; it differs slightly.
    """
    ours, theirs = kept(completion, kind), middle.rstrip()
    longest = max(len(ours), len(theirs))
    return 1.0 if longest == 0 else 1.0 - levenshtein(ours, theirs) / longest


def levenshtein(a: str, b: str) -> int:
    """Return the least number of single-character edits that turn `a` into `b`.

    Myers, "A Fast Bit-Vector Algorithm for Approximate String Matching" (1999), as Hyyro (2003)
    has it for whole strings: a column of the table is two integers, of differences +1 and -1.
    Two texts of 30,000 characters take half a second.
    """
    start = common_prefix(a, b)
    a, b = a[start:], b[start:]
    end = common_prefix(a[::-1], b[::-1])
    a, b = a[: len(a) - end], b[: len(b) - end]
    if not a:
        return len(b)
    places: dict[str, int] = {}
    for i, letter in enumerate(a):
        places[letter] = places.get(letter, 0) | 1 << i
    ones, last = (1 << len(a)) - 1, 1 << (len(a) - 1)
    above, below, distance = ones, 0, len(a)
    for letter in b:
        equal = places.get(letter, 0)
        diagonal = (((equal & above) + above) ^ above) | equal
        rises = below | (ones & ~(diagonal | above))
        falls = above & diagonal
        distance += bool(rises & last) - bool(falls & last)
        rises, falls = rises << 1 | 1, falls << 1
        column = equal | below
        above = (falls | ~(column | rises)) & ones
        below = rises & column & ones
    return distance


def common_prefix(a: str, b: str) -> int:
    """Return how many leading characters `a` and `b` share."""
    for i, (left, right) in enumerate(zip(a, b, strict=False)):
        if left != right:
            return i
    return min(len(a), len(b))


def mean_of(values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Return the sum of `values` over the sum of `weights` (default: one each); 0.0 for none."""
    total = float(len(values)) if weights is None else float(sum(weights))
    return float(sum(values)) / total if total else 0.0


def bootstrap_interval(
    values: Sequence[float],
    weights: Sequence[float] | None = None,
    *,
    resamples: int,
    seed: int,
    level: float = 0.95,
) -> Interval:
    """Return the percentile bootstrap interval of `mean_of(values, weights)`.

    Tasks are drawn with replacement, a value together with its weight (Efron 1979). The same
    arguments give the same interval on every machine. No values give (0.0, 0.0).
    """
    if not values:
        return 0.0, 0.0
    top = np.asarray(values, np.float64)
    bottom = np.ones_like(top) if weights is None else np.asarray(weights, np.float64)
    generator = np.random.default_rng(seed)
    means: NDArray[np.float64] = np.empty(resamples)
    for i in range(resamples):
        drawn = generator.integers(0, len(top), len(top))
        weight = bottom[drawn].sum()
        means[i] = top[drawn].sum() / weight if weight else 0.0
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the `share` quantile (0 to 1) of `values` by linear interpolation; 0.0 for none."""
    return float(np.quantile(np.asarray(values, np.float64), share)) if values else 0.0


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return the median and the 95th percentile, rounded to thousandths."""
    return {f"p{p}": round(percentile(values, p / 100), 3) for p in (50, 95)}


def pass_at_k(n: int, c: int, k: int) -> float:
    """Return the chance that one of `k` of `n` samples is right, when `c` of the `n` are.

    The unbiased estimator 1 - C(n - c, k) / C(n, k) of Chen et al., "Evaluating Large Language
    Models Trained on Code" (2021), section 2.1. Raises ValueError unless 0 <= c <= n and
    1 <= k <= n.
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"pass@{k} of {n} samples, {c} right: no such thing")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def mcnemar(lost: int, won: int) -> float:
    """Return the two-sided p-value of McNemar's exact test.

    `lost` tasks only A solved, `won` only B. Under the null hypothesis each is as likely: twice the
    tail of a binomial distribution with p = 1/2 (McNemar 1947, in its exact form), at most 1.
    """
    n = lost + won
    tail = sum(math.comb(n, i) for i in range(min(lost, won) + 1))
    return min(1.0, float(2 * tail / 2**n))


def sign_flips(differences: Sequence[float], *, flips: int, seed: int) -> float:
    """Return the two-sided p-value of a paired permutation test on the mean of `differences`.

    Under the null hypothesis A and B could be exchanged in every task: signs are flipped at random
    `flips` times, and the p-value is the share of sums as far from 0 as the observed one, both
    counts raised by one for the observation itself (Phipson and Smyth 2010).
    """
    values = np.asarray(differences, np.float64)
    observed = abs(values.sum())
    generator = np.random.default_rng(seed)
    extreme = 0
    for _ in range(flips):
        signs = generator.integers(0, 2, len(values)) * 2 - 1
        extreme += bool(abs((values * signs).sum()) >= observed - 1e-12)
    return (extreme + 1) / (flips + 1)


@dataclass(frozen=True)
class Bin:
    """Answers whose confidence lies in one range: how many, how sure, how often right."""

    low: float
    high: float
    n: int
    confidence: float
    right: float


def reliability(confidences: Sequence[float], right: Sequence[bool], bins: int = 10) -> list[Bin]:
    """Return the reliability curve: bins of equal width that have an answer in them.

    Guo et al., "On Calibration of Modern Neural Networks" (2017). 1 is in the last bin.
    """
    groups: dict[int, list[int]] = {}
    for i, confidence in enumerate(confidences):
        groups.setdefault(min(int(confidence * bins), bins - 1), []).append(i)
    return [
        Bin(
            low=place / bins,
            high=(place + 1) / bins,
            n=len(group),
            confidence=sum(confidences[i] for i in group) / len(group),
            right=sum(right[i] for i in group) / len(group),
        )
        for place, group in sorted(groups.items())
    ]


def expected_calibration_error(curve: Sequence[Bin]) -> float:
    """Return the mean distance of confidence and share right, weighted by answers (Guo 2017)."""
    total = sum(each.n for each in curve)
    distance = sum(each.n * abs(each.confidence - each.right) for each in curve)
    return distance / total if total else 0.0
