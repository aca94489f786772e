"""Which charts a run's page has."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

from m31r_train.page.history import History, Row
from m31r_train.page.lines import Axes, Curve, Point, line_chart
from m31r_train.page.numbers import NUMBERS, number_of

_NOISY = frozenset({"loss", "grad_norm", "tokens_per_second", "mfu"})
_FROM_ZERO = frozenset(
    {"tasks_exact_match", "tokens_per_second", "mfu", "grad_norm", "rate_factor"}
)
# Title, and the numbers that share a chart; the first has the room of two.
_CHARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Loss, nats a token", ("loss", "valid_loss")),
    ("Bits per byte of the valid split", ("valid_bits_per_byte",)),
    ("Line tasks of the valid split", ("tasks_exact_match", "tasks_ended")),
    ("Speed, tokens a second", ("tokens_per_second",)),
    ("Model FLOPs utilisation", ("mfu",)),
    ("Gradient norm", ("grad_norm",)),
    ("Learning rate, share of its peak", ("rate_factor",)),
)
# What a chart marks; the start of a run is no news.
_MARKED = frozenset({"skipped", "rewound", "stopped"})


def charts(history: History) -> list[str]:
    """Return a chart for every number of the log, those that belong together in one."""
    keys = history.keys
    axes = _axes(history)
    others = [(number_of(key).label, (key,)) for key in keys if key not in NUMBERS]
    result = []
    for title, wanted in (*_CHARTS, *others):
        found = [key for key in wanted if key in keys]
        if found:
            curves = [_curve(history, key) for key in found]
            result.append(
                line_chart(
                    title, curves, axes, from_zero=found[0] in _FROM_ZERO, wide="loss" in found
                )
            )
    return result


def _axes(history: History) -> Axes:
    rows = sorted(
        (row for row in history.rows if not row.event and row.kept), key=lambda row: row.step
    )
    first, last = (rows[0].step, rows[-1].step) if rows else (0, 1)
    marks = [row.step for row in history.events() if row.event in _MARKED]
    marks = sorted({step for step in marks if first <= step <= last})
    return Axes(first, last, _tokens_at(rows), marks)


def _tokens_at(rows: Sequence[Row]) -> Callable[[float], float]:
    """Return the tokens seen at a step, as a straight line between the rows beside it."""
    known = dict({0: 0} | {row.step: row.tokens for row in rows})
    steps = sorted(known)

    def tokens(step: float) -> float:
        i = min(max(bisect_left(steps, step), 1), len(steps) - 1)
        if len(steps) == 1:
            return 0.0
        left, right = steps[i - 1], steps[i]
        share = (step - left) / (right - left)
        return known[left] + share * (known[right] - known[left])

    return tokens


def _curve(history: History, key: str) -> Curve:
    number = number_of(key)
    kept, given_up = (
        [Point(row.step, row.number(key)) for row in history.rows_with(key, kept=which)]
        for which in (True, False)
    )
    return Curve(number.label, kept, given_up, key in _NOISY, number.write, number.tick)
