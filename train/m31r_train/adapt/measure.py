"""Exact match before and after, on the same tasks, by the engine that ships.

The tasks are cut and answered by `m31r-eval`, reached as a command: its numbers are the ones that
docs/benchmarks.md has.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from math import comb
from pathlib import Path
from typing import Any, Literal

import numpy as np

from m31r_core.errors import M31RError
from m31r_train.adapt.config import AdaptConfig

Verdict = Literal["better", "unclear", "worse"]
_RESAMPLES = 2_000
# One package: it may give all tasks.
_SETTINGS = "[tasks]\npackage_share = 1.0\n"


@dataclass(frozen=True)
class Comparison:
    """`n` tasks answered by two bundles.

    `before` and `after` are shares of exact matches, `similarity_*` mean edit similarities, all 0
    to 1; `bits_*` are bits per byte of the held-back files, by the float weights. `ci95` is the
    interval of after - before (paired bootstrap over the tasks). `gained` and `lost` count the
    tasks that only the one or the other got right, `p` is of McNemar's exact test on them,
    two-sided.
    """

    n: int
    before: float
    after: float
    ci95: tuple[float, float]
    gained: int
    lost: int
    p: float
    similarity_before: float
    similarity_after: float
    bits_before: float
    bits_after: float

    @property
    def verdict(self) -> Verdict:
        """Better when the interval is above 0, worse when fewer answers are right than before."""
        if self.after < self.before:
            return "worse"
        return "better" if self.ci95[0] > 0 else "unclear"

    def as_json(self) -> dict[str, Any]:
        """Return the fields and the verdict."""
        return {**asdict(self), "verdict": self.verdict}


def cut_tasks(dataset: Path, tasks: Path, *, count: int, seed: int) -> None:
    """Write at most `count` line tasks from the dataset's test split to `tasks`."""
    tasks.parent.mkdir(parents=True, exist_ok=True)
    settings = tasks.with_name("settings.toml")
    settings.write_text(_SETTINGS, encoding="utf-8")
    with contextlib.redirect_stderr(io.StringIO()):
        options = ["--out", str(tasks), "--n", str(count), "--seed", str(seed)]
        _evaluate(
            ["build-tasks", str(dataset), "--split", "test", "--config", str(settings), *options]
        )


def answer_tasks(tasks: Path, bundle: Path, out: Path, config: AdaptConfig) -> None:
    """Let `bundle` answer `tasks`; results.jsonl and metrics.json go to `out`."""
    options = ["--out", str(out), "--seed", str(config.seed)]
    if config.threads:
        options += ["--threads", str(config.threads)]
    _evaluate(["complete", str(tasks), "--model", str(bundle), "--no-simulation", *options])


def compare(before: Path, after: Path, bits: tuple[float, float], seed: int) -> Comparison:
    """Compare two folders of `answer_tasks`; `bits` are those per byte, before and after."""
    ours, theirs = _results(before), _results(after)
    exact = np.array([[float(run[name]["exact_match"]) for name in ours] for run in (ours, theirs)])
    similar = [[float(run[name]["edit_similarity"]) for name in ours] for run in (ours, theirs)]
    change = exact[1] - exact[0]
    draws = np.random.default_rng(seed).integers(0, len(change), (_RESAMPLES, len(change)))
    low, high = np.quantile(change[draws].mean(1), [0.025, 0.975])
    gained, lost = int((change > 0).sum()), int((change < 0).sum())
    return Comparison(
        n=len(change),
        before=float(exact[0].mean()),
        after=float(exact[1].mean()),
        ci95=(float(low), float(high)),
        gained=gained,
        lost=lost,
        p=mcnemar(gained, lost),
        similarity_before=float(np.mean(similar[0])),
        similarity_after=float(np.mean(similar[1])),
        bits_before=bits[0],
        bits_after=bits[1],
    )


def mcnemar(gained: int, lost: int) -> float:
    """Return the two-sided p-value of McNemar's exact test: a fair coin over what changed."""
    changed, fewer = gained + lost, min(gained, lost)
    ways = sum(comb(changed, i) for i in range(fewer + 1))
    return min(1.0, 2 * ways / float(2**changed))


def _evaluate(arguments: Sequence[str]) -> None:
    """Run `m31r-eval` without its tables. Raises M31RError when it fails; it says why itself."""
    (command,) = entry_points(group="console_scripts", name="m31r-eval")
    with contextlib.redirect_stdout(io.StringIO()):
        code = command.load()(list(arguments))
    if code:
        raise M31RError(f"m31r-eval {arguments[0]} failed")


def _results(directory: Path) -> dict[str, dict[str, Any]]:
    with (directory / "results.jsonl").open(encoding="utf-8") as lines:
        return {result["id"]: result for result in map(json.loads, lines)}
