"""Is run B worse than run A? A paired bootstrap over the tasks that both answered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from m31r_core.errors import ConfigError
from m31r_eval.completing import METRICS as METRICS_FILE
from m31r_eval.completing import RESULTS
from m31r_eval.metrics import Interval


@dataclass(frozen=True)
class Difference:
    """A metric in both runs, B minus A, and the 95% interval of that difference."""

    metric: str
    before: float
    after: float
    ci95: Interval

    @property
    def change(self) -> float:
        """B minus A; above 0 is better."""
        return self.after - self.before

    def is_regression(self, threshold: float) -> bool:
        """Whether B is worse by more than `threshold` and the interval excludes 0."""
        return self.change < -threshold and self.ci95[1] < 0


def compare(a: Path, b: Path, *, resamples: int, seed: int) -> list[Difference]:
    """Compare the result folders `a` and `b` metric by metric, pairing tasks by their ids.

    Raises ConfigError naming the folder or file when one of them is no finished run, or when the
    two ran on different tasks.
    """
    if _field(a, "tasks_sha256") != _field(b, "tasks_sha256"):
        raise ConfigError(f"{a} and {b} ran on different task files")
    ours, theirs = _results(a), _results(b)
    shared = [id_ for id_ in ours if id_ in theirs]
    if not shared:
        raise ConfigError(f"{a} and {b} have no task in common")
    if all("broken_at_start" in results[id_] for results in (ours, theirs) for id_ in shared):
        return _compare_repairs(ours, theirs, shared, resamples, seed)
    differences = [
        _difference(
            metric,
            [(float(ours[id_][metric]), float(theirs[id_][metric]), 1.0) for id_ in shared],
            resamples,
            seed,
        )
        for metric in ("exact_match", "edit_similarity")
    ]
    typed = [id_ for id_ in shared if "accepted" in ours[id_] and "accepted" in theirs[id_]]
    if typed:
        rows = [
            (
                float(ours[id_]["accepted"]),
                float(theirs[id_]["accepted"]),
                float(ours[id_]["characters"]),
            )
            for id_ in typed
        ]
        differences.append(_difference("chars_saved", rows, resamples, seed))
    return differences


def _compare_repairs(
    ours: dict[str, dict[str, Any]],
    theirs: dict[str, dict[str, Any]],
    shared: list[str],
    resamples: int,
    seed: int,
) -> list[Difference]:
    """Compare two repair runs over the tasks that have errors at the start in both."""
    broken = [
        id_ for id_ in shared if ours[id_]["broken_at_start"] and theirs[id_]["broken_at_start"]
    ]
    differences = []
    for metric in ("fixed", "solved", "edit_similarity"):
        pairs = [(ours[id_][metric], theirs[id_][metric]) for id_ in broken]
        rows = [(float(a), float(b), 1.0) for a, b in pairs if a is not None and b is not None]
        if rows:
            differences.append(_difference(metric, rows, resamples, seed))
    return differences


def _difference(
    metric: str, rows: list[tuple[float, float, float]], resamples: int, seed: int
) -> Difference:
    """Compare sums over the rows (A, B, weight), each divided by the weights' sum."""
    data = np.array(rows)
    generator = np.random.default_rng(seed)
    changes = np.empty(resamples)
    for i in range(resamples):
        before, after, weight = data[generator.integers(0, len(data), len(data))].sum(axis=0)
        changes[i] = (after - before) / weight if weight else 0.0
    before, after, weight = data.sum(axis=0)
    low, high = np.quantile(changes, [0.025, 0.975])
    weight = weight or 1.0
    return Difference(
        metric, float(before / weight), float(after / weight), (float(low), float(high))
    )


def _field(directory: Path, key: str) -> Any:
    path = directory / METRICS_FILE
    try:
        return json.loads(path.read_text(encoding="utf-8"))[key]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: not the metrics of a finished run ({error})") from error


def _results(directory: Path) -> dict[str, dict[str, Any]]:
    path = directory / RESULTS
    try:
        with path.open(encoding="utf-8") as lines:
            return {result["id"]: result for result in map(json.loads, lines)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: not the results of a run ({error})") from error
