"""What tells a bad step from a good one, and how much of it a run bears.

A step whose loss or gradient is not finite, or whose loss is far above those before it, changes no
weight. When the next step is bad as well, and the next, it is not the rows but the weights that are
bad: the run goes back to a checkpoint, and on with the rows that come then.
"""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import dataclass, replace
from pathlib import Path

from m31r_train.config import RecoveryConfig


@dataclass(frozen=True)
class Health:
    """What a run remembers of its last steps; a part of its position, so that it goes on exactly.

    `losses` are those of the last good steps, oldest first, in nats a token. `bad` counts the bad
    steps since the last good one, `rewinds` how often the run has gone back.
    """

    losses: tuple[float, ...] = ()
    bad: int = 0
    rewinds: int = 0

    def limit(self, config: RecoveryConfig) -> float:
        """Return the loss above which the next step is a spike; infinite until enough are known."""
        if not config.spike_window or len(self.losses) < config.spike_window:
            return math.inf
        losses = self.losses[-config.spike_window :]
        margin = max(config.spike_deviations * statistics.stdev(losses), config.spike_nats)
        return statistics.fmean(losses) + margin

    def after(self, loss: float, config: RecoveryConfig, *, applied: bool) -> Health:
        """Return what is known after a step with this loss; `applied` is false for a bad one."""
        if not applied:
            return replace(self, bad=self.bad + 1)
        kept = (*self.losses, loss)[-config.spike_window :] if config.spike_window else ()
        return replace(self, losses=kept, bad=0)

    def rewound(self, rewinds: int) -> Health:
        """Return what is known when a run has come back here for the `rewinds`th time in all."""
        return replace(self, bad=0, rewinds=rewinds)


def cut_log(path: Path, step: int, rewinds: int) -> None:
    """Remove from a run's log what was written after it was at `step`, after so many rewinds.

    So that every step has one row when a run does some of its steps again, after a kill or a
    rewind. Events before the last rewind stay. A row that a killed run left torn goes.
    """
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        lines = file.readlines()
    kept = [line for line in lines if _stays(line, step, rewinds)]
    if kept != lines:
        partial = path.with_name(f"{path.name}.partial")
        partial.write_text("".join(kept), encoding="utf-8")
        partial.replace(path)


def _stays(line: str, step: int, rewinds: int) -> bool:
    if not line.endswith("\n"):
        return False
    try:
        row = json.loads(line)
        if "event" in row:
            return bool((row.get("rewinds", 0), row["step"]) <= (rewinds, step))
        return bool(row["step"] <= step)
    except (ValueError, KeyError, TypeError):
        return False
