"""`log.jsonl` read back. Torn lines, missing numbers and steps done twice are expected."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from m31r_core.errors import M31RError

_ALWAYS = ("step", "tokens", "time")


@dataclass(frozen=True)
class Row:
    """A line of the log: when it was, and what it says.

    `step` and `tokens` are the run's position, `time` is in seconds since 1970. `kept` is false for
    numbers that the run gave up when it later went back to an earlier step.
    """

    step: int
    tokens: int
    time: float
    values: Mapping[str, Any]
    kept: bool = True

    @property
    def event(self) -> str:
        """The name of what happened; empty for a row of numbers."""
        return str(self.values.get("event", ""))

    def number(self, key: str) -> float | None:
        """Return the number under `key`; None when there is none, or it is not finite."""
        value = self.values.get(key)
        if self.event or isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if math.isfinite(value) else None


@dataclass(frozen=True)
class History:
    """A run's rows in the order of the log, and how many of its lines could not be read."""

    rows: tuple[Row, ...]
    unreadable: int = 0

    @cached_property
    def keys(self) -> list[str]:
        """The names of all numbers, in the order of their first."""
        return list(
            dict.fromkeys(
                key for row in self.rows for key in row.values if row.number(key) is not None
            )
        )

    def rows_with(self, key: str, *, kept: bool = True) -> list[Row]:
        """Return the rows of numbers that have `key`, those that the run kept or gave up."""
        return [
            row for row in self.rows if row.kept == kept and not row.event and key in row.values
        ]

    def events(self, name: str | None = None) -> list[Row]:
        """Return what happened, or all of the events of one name."""
        return [row for row in self.rows if row.event and name in (None, row.event)]

    @property
    def started(self) -> Mapping[str, Any]:
        """What the last start says of the run; empty for a log that tells of none."""
        starts = self.events("started")
        return starts[-1].values if starts else {}

    @property
    def planned_steps(self) -> int:
        """The step at which the run is done; 0 where that is not known."""
        steps = self.started.get("config", {}).get("plan", {}).get("steps", 0)
        return steps if isinstance(steps, int) else 0

    @property
    def last_step(self) -> int:
        """The step of the last row of numbers that was kept; 0 before there is one."""
        return max((row.step for row in self.rows if row.kept and not row.event), default=0)

    @property
    def running(self) -> bool:
        """Whether there are steps left that nothing says will not be done."""
        stopped = bool(self.rows) and self.rows[-1].event == "stopped"
        return not stopped and self.last_step < self.planned_steps


def read_history(path: Path) -> History:
    """Read a `log.jsonl`. Raises M31RError naming the file when there is none."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise M31RError(f"{path}: {error.strerror}") from error
    rows = [row for line in lines if line.strip() and (row := _row(line))]
    return History(_without_given_up(rows), sum(bool(line.strip()) for line in lines) - len(rows))


def _row(line: bytes) -> Row | None:
    try:
        values = json.loads(line)
        step, tokens, seconds = (values.pop(key) for key in _ALWAYS)
        datetime.fromtimestamp(seconds, UTC)
        return Row(int(step), int(tokens), float(seconds), values)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, OSError):
        return None


def _without_given_up(rows: list[Row]) -> tuple[Row, ...]:
    """Mark numbers of steps that a later row does again.

    A run goes back when it rewinds, and when it is killed and goes on from its last checkpoint. An
    event stands at the step that the run is at: numbers of that very step are kept.
    """
    standing: list[int] = []
    given_up: set[int] = set()
    for i, row in enumerate(rows):
        first = row.step + 1 if row.event else row.step
        if standing and row.step < rows[standing[-1]].step:
            while standing and rows[standing[-1]].step >= first:
                given_up.add(standing.pop())
        if not row.event:
            standing.append(i)
    return tuple(
        Row(row.step, row.tokens, row.time, row.values, kept=False) if i in given_up else row
        for i, row in enumerate(rows)
    )
