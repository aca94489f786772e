"""The runs that a report is about, as they lie on disk."""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m31r_core.errors import ConfigError
from m31r_eval.running import METRICS, RESULTS, TASKS


@dataclass(frozen=True)
class Run:
    """A finished run: its metrics, its records, and by id the tasks that it ran, where known."""

    name: str
    metrics: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]]
    tasks: Mapping[str, Mapping[str, Any]]

    @property
    def suite(self) -> str:
        """The suite, told by the records where an old run does not say it."""
        repaired = self.records and "broken_at_start" in self.records[0]
        return str(self.metrics.get("suite", "repair" if repaired else "complete"))


def read_runs(folder: Path) -> list[Run]:
    """Return the run in `folder`, or else those in the folders right below it, by name.

    Raises ConfigError where there is none, or a file of one cannot be read.
    """
    if (folder / METRICS).is_file():
        return [_read(folder)]
    found = sorted(path.parent for path in folder.glob(f"*/{METRICS}"))
    if not found:
        raise ConfigError(f"{folder}: no finished run there ({METRICS} is missing)")
    return [_read(path) for path in found]


def _read(folder: Path) -> Run:
    path = folder / METRICS
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        path = folder / RESULTS
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        path = folder / TASKS
        lines = lzma.decompress(path.read_bytes()).splitlines() if path.is_file() else []
        tasks = {task["id"]: task for task in map(json.loads, lines) if "id" in task}
    except (OSError, ValueError, KeyError, TypeError, lzma.LZMAError) as error:
        raise ConfigError(f"{path}: not the file of a run ({error})") from error
    return Run(folder.name, metrics, records, tasks)
