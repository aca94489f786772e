"""What the commands print when they are done."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from m31r_eval.comparing import Difference
from m31r_eval.scores import METRICS, Summary


def console() -> Console:
    """Return a console on stdout that does not fold tables in a pipe."""
    return Console() if sys.stdout.isatty() else Console(width=120)


def score_table(rows: dict[str, Summary], latency_ms: dict[str, float], title: str) -> Table:
    """Return one row a completer, the model first; the latency is the model's."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("")
    shown = [name for name in METRICS if any(name in row.means for row in rows.values())]
    for name in shown:
        table.add_column(f"{name.replace('_', ' ')} [95%]", justify="right")
    for percentile in latency_ms:
        table.add_column(f"{percentile} ms", justify="right")
    for i, (label, row) in enumerate(rows.items()):
        latency = [f"{value:.0f}" for value in latency_ms.values()] if i == 0 else []
        table.add_row(label, *(_share(row, name) for name in shown), *latency)
    return table


def _share(row: Summary, name: str) -> str:
    if name not in row.means:
        return ""
    low, high = row.ci95[name]
    return f"{100 * row.means[name]:.1f}% \\[{100 * low:.1f}, {100 * high:.1f}]"


def difference_table(differences: Sequence[Difference], threshold: float) -> Table:
    """Return one row a metric: A, B, the change with its interval, and the verdict."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("", "A", "B", "change [95%]", ""):
        table.add_column(name, justify="right" if name else "left")
    for each in differences:
        low, high = each.ci95
        table.add_row(
            each.metric.replace("_", " "),
            f"{100 * each.before:.1f}%",
            f"{100 * each.after:.1f}%",
            f"{100 * each.change:+.1f} \\[{100 * low:+.1f}, {100 * high:+.1f}]",
            "worse" if each.is_regression(threshold) else "",
        )
    return table
