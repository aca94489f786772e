"""What the commands print when they are done."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from m31r_eval.comparing import Difference
from m31r_eval.measures import MEASURES
from m31r_eval.metrics import Bin

CODES_SHOWN = 25
"""Error codes that have a row of their own, those with most tasks."""


def console() -> Console:
    """Return a console on stdout that does not fold tables in a pipe."""
    return Console() if sys.stdout.isatty() else Console(width=120)


def score_table(metrics: Mapping[str, Any], title: str) -> Table:
    """Return one row a model, the evaluated one first; latency is that model's alone."""
    rows = {str(metrics["model_id"]): metrics, **metrics["baselines"]}
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("")
    names = [measure.name for measure in MEASURES[metrics["suite"]]]
    shown = [name for name in names if any(name in row for row in rows.values())]
    for name in shown:
        table.add_column(f"{name.replace('_', ' ')} [95%]", justify="right")
    latency = metrics.get("latency_ms", {})
    for percentile in latency:
        table.add_column(f"{percentile} ms", justify="right")
    for i, (label, row) in enumerate(rows.items()):
        times = [f"{value:.0f}" for value in latency.values()] if i == 0 else []
        table.add_row(label, *(_share(row, name) for name in shown), *times)
    return table


def breakdown_tables(metrics: Mapping[str, Any]) -> Iterator[Table]:
    """Yield a table for each key by which the tasks were told apart."""
    names = [measure.name for measure in MEASURES[metrics["suite"]]]
    for key, rows in metrics.get("by", {}).items():
        table = Table(box=box.SIMPLE_HEAD)
        table.add_column(key)
        table.add_column("n", justify="right")
        shown = [name for name in names if any(name in row for row in rows.values())]
        for name in shown:
            table.add_column(f"{name.replace('_', ' ')} [95%]", justify="right")
        for label, row in rows.items():
            table.add_row(label, str(row["n"]), *(_share(row, name) for name in shown))
        yield table


def reliability_table(curve: Sequence[Bin], error: float) -> Table:
    """Return how often answers were right that were how sure."""
    table = Table(title=f"calibration error {error:.3f}", box=box.SIMPLE_HEAD)
    for name in ("confidence", "n", "mean", "right"):
        table.add_column(name, justify="right")
    for each in curve:
        between = f"{each.low:.1f} to {each.high:.1f}"
        table.add_row(between, str(each.n), f"{each.confidence:.3f}", f"{each.right:.3f}")
    return table


def print_scores(metrics: Mapping[str, Any], tasks: str) -> None:
    """Print the scores and their breakdowns, and on standard error how many tasks have none."""
    out = console()
    out.print(score_table(metrics, f"{tasks}, {metrics['n']} tasks"))
    for table in breakdown_tables(metrics):
        out.print(table)
    if metrics["crashed"]:
        crashed = metrics["crashed"]
        print(f"{crashed} tasks crashed or hung: 'crash' in the results says why", file=sys.stderr)


def replay_table(metrics: Mapping[str, Any], title: str) -> Table:
    """Return the numbers of a run of `latency` or `memory`, one a row."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", show_header=False)
    table.add_column("")
    table.add_column("", justify="right")
    for name, value in metrics.items():
        if name in ("suite", "tasks_sha256", "seed", "ci95"):
            continue
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {number:g}" for key, number in value.items())
        table.add_row(name.replace("_", " "), str(value))
    return table


def _share(row: Mapping[str, Any], name: str) -> str:
    if name not in row:
        return ""
    low, high = row["ci95"][name]
    return f"{100 * row[name]:.1f}% \\[{100 * low:.1f}, {100 * high:.1f}]"


def repair_table(metrics: Mapping[str, Any], title: str) -> Table:
    """Return M31R beside rustc's suggestions alone: all tasks, then by the first error's code."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("", "n", "fixed", "rustc alone"):
        table.add_column(name, justify="right" if name else "left")
    baseline, clean, every = metrics["baseline"], metrics["clean_at_start"], metrics["all"]
    for name, label in (
        ("fixed", "errors at the start: compile (and pass)"),
        ("solved", "... and run as the reference does"),
        ("restored", "... and are the reference, to the letter"),
        ("edit_similarity", "edit similarity to the reference"),
    ):
        table.add_row(label, str(metrics["n"]), _mean(metrics, name), _mean(baseline, name))
    if clean["n"]:
        table.add_row("no error at the start: run", str(clean["n"]), str(clean["solved"]), "")
        theirs = f"{100 * every['baseline']['solved']:.1f}%"
        table.add_row(
            "all: compile and run", str(every["n"]), f"{100 * every['solved']:.1f}%", theirs
        )
    careful = f"{100 * metrics['fixed_without_caution']:.1f}%"
    table.add_row("fixed without a caution", str(metrics["n"]), careful, "")
    table.add_section()
    codes = list(metrics["by_code"].items())
    if len(codes) > CODES_SHOWN:
        rest = [row for _, row in codes[CODES_SHOWN:]]
        total = {key: sum(row[key] for row in rest) for key in ("n", "fixed", "baseline")}
        codes = [*codes[:CODES_SHOWN], (f"{len(rest)} other codes", total)]
    for code, row in codes:
        table.add_row(code, str(row["n"]), str(row["fixed"]), str(row["baseline"]))
    return table


def source_table(metrics: Mapping[str, Any]) -> Table:
    """Return where the steps of the repairs came from."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("source", "fixed with it", "by it alone", "steps"):
        table.add_column(name, justify="left" if name == "source" else "right")
    for source, row in metrics["by_source"].items():
        table.add_row(source, str(row["fixed"]), str(row["alone"]), str(row["steps"]))
    return table


def _mean(block: Mapping[str, Any], name: str) -> str:
    if name not in block["ci95"]:
        return ""
    low, high = block["ci95"][name]
    return f"{100 * block[name]:.1f}% \\[{100 * low:.1f}, {100 * high:.1f}]"


def difference_table(differences: Sequence[Difference], thresholds: Mapping[str, float]) -> Table:
    """Return one row a metric: A, B, the change with its interval, and the verdict."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("", "n", "A", "B", "change [95%]", "won", "lost", "p", ""):
        table.add_column(name, justify="right" if name else "left")
    for each in differences:
        low, high = each.ci95
        table.add_row(
            each.metric.replace("_", " "),
            str(each.n),
            f"{100 * each.before:.1f}%",
            f"{100 * each.after:.1f}%",
            f"{100 * each.change:+.1f} \\[{100 * low:+.1f}, {100 * high:+.1f}]",
            str(each.won),
            str(each.lost),
            f"{each.p:.3f}",
            "worse" if each.is_regression(thresholds[each.metric]) else "",
        )
    return table
