"""Is run B worse than run A? Paired tests over the tasks that both answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from m31r_core.errors import ConfigError
from m31r_eval.measures import MEASURES, Measure, Suite
from m31r_eval.metrics import Interval, mcnemar, sign_flips
from m31r_eval.running import METRICS, RESULTS

Results = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Difference:
    """A metric in both runs over `n` tasks, the 95% interval of B minus A, and a p-value.

    The p-value is McNemar's for metrics that are 0 or 1 in every task, else that of a permutation
    test. `won` and `lost` count the tasks in which B is better and worse.
    """

    metric: str
    before: float
    after: float
    ci95: Interval
    n: int
    won: int
    lost: int
    p: float

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
    two ran on different tasks or are of different suites.
    """
    if _metrics(a).get("tasks_sha256") != _metrics(b).get("tasks_sha256"):
        raise ConfigError(f"{a} and {b} ran on different task files")
    ours, theirs = _results(a), _results(b)
    shared = [id_ for id_ in ours if id_ in theirs]
    if not shared:
        raise ConfigError(f"{a} and {b} have no task in common")
    suite = _suite(a, ours)
    if suite != _suite(b, theirs):
        raise ConfigError(f"{a} and {b} are runs of different suites")
    found = (_difference(m, ours, theirs, shared, resamples, seed) for m in MEASURES[suite])
    return [each for each in found if each is not None]


def _difference(
    measure: Measure, ours: Results, theirs: Results, shared: list[str], resamples: int, seed: int
) -> Difference | None:
    """Compare the sums of a measure, each divided by the sum of the weights; None without any."""
    rows = []
    for id_ in shared:
        before, after = measure.of(ours[id_]), measure.of(theirs[id_])
        if before is not None and after is not None:
            rows.append((before[0], after[0], before[1]))
    if not rows:
        return None
    data = np.array(rows)
    generator = np.random.default_rng(seed)
    changes = np.empty(resamples)
    for i in range(resamples):
        before, after, weight = data[generator.integers(0, len(data), len(data))].sum(axis=0)
        changes[i] = (after - before) / weight if weight else 0.0
    low, high = np.quantile(changes, [0.025, 0.975])
    won, lost = int((data[:, 1] > data[:, 0]).sum()), int((data[:, 1] < data[:, 0]).sum())
    if np.isin(data[:, :2], (0.0, 1.0)).all():
        p = mcnemar(lost, won)
    else:
        p = sign_flips((data[:, 1] - data[:, 0]).tolist(), flips=resamples, seed=seed)
    before, after, weight = data.sum(axis=0)
    weight = weight or 1.0
    return Difference(
        measure.name,
        float(before / weight),
        float(after / weight),
        (float(low), float(high)),
        len(rows),
        won,
        lost,
        p,
    )


def _suite(directory: Path, results: Results) -> Suite:
    """Return the suite of a run; those that do not say are told by their records."""
    named = _metrics(directory).get("suite")
    if named is None:
        broken = all("broken_at_start" in record for record in results.values())
        return "repair" if broken else "complete"
    if not MEASURES.get(named):
        raise ConfigError(f"{directory}: runs of '{named}' are not compared task by task")
    return cast(Suite, named)


def _metrics(directory: Path) -> Mapping[str, Any]:
    path = directory / METRICS
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("no object")
        return found
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not the metrics of a finished run ({error})") from error


def _results(directory: Path) -> Results:
    path = directory / RESULTS
    try:
        with path.open(encoding="utf-8") as lines:
            return {result["id"]: result for result in map(json.loads, lines)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: not the results of a run ({error})") from error
