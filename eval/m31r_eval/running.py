"""Run a suite over its tasks: in parallel, on from where a killed run stopped, in the tasks' order.

A run folder holds `results.jsonl` (one record a task), `metrics.json`, and `tasks.jsonl.xz`, the
tasks that ran. While a run is under way its records lie in `results.partial.jsonl`, in the order in
which they came, under a digest of all that decides what they say; a run with the same digest takes
them over. In records only what is named `timings…` differs between two runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from m31r_eval.progress import track
from m31r_eval.tasks import Task, write_tasks
from m31r_eval.workers import Failed, Open, work_on

RESULTS = "results.jsonl"
METRICS = "metrics.json"
PARTIAL = "results.partial.jsonl"
TASKS = "tasks.jsonl.xz"

Record = dict[str, Any]
TaskT = TypeVar("TaskT", bound=Task)


@dataclass(frozen=True)
class Crew:
    """Who works: processes at the same time, and the wall time after which a task is given up."""

    workers: int
    seconds: float


def digest_of(*parts: object) -> str:
    """Return the name of a run: equal parts (by their `repr`) give equal names."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def run_tasks(
    tasks: Sequence[TaskT],
    open_: Open,
    setup: object,
    *,
    label: str,
    out: Path,
    run: str,
    crew: Crew,
    failed: Callable[[TaskT, str], Record],
) -> list[Record]:
    """Return the record of every task, in their order, and write them to `out`.

    `open_` and `setup` are those of `work_on`; `run` names what decides the records. A task that
    raises, crashes its process or takes too long has the record `failed(task, why)`.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / METRICS).unlink(missing_ok=True)
    write_tasks(out / TASKS, tasks)
    partial = out / PARTIAL
    known = _resume(partial, run)
    left = [task for task in tasks if task.id not in known]
    with partial.open("a", encoding="utf-8", newline="\n") as lines:
        if lines.tell() == 0:
            lines.write(json.dumps({"run": run}) + "\n")
        if len(left) < len(tasks):
            print(f"{label}: {len(tasks) - len(left)} tasks were done before")
        results = work_on(left, open_, setup, workers=crew.workers, seconds=crew.seconds)
        for each in track(results, label, len(left)):
            record = each.result
            if isinstance(record, Failed):
                record = failed(each.task, record.reason)
            known[each.task.id] = record
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
            lines.flush()
    records = [known[task.id] for task in tasks]
    with (out / RESULTS).open("w", encoding="utf-8", newline="\n") as results_file:
        for record in records:
            results_file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return records


def finish(out: Path, metrics: Record) -> None:
    """Write `metrics.json`, which says that the run is complete."""
    text = json.dumps(metrics, indent=2, ensure_ascii=False) + "\n"
    (out / METRICS).write_text(text, encoding="utf-8")
    (out / PARTIAL).unlink(missing_ok=True)


def _resume(partial: Path, run: str) -> dict[str, Record]:
    """Return the results of a killed run of the same kind; another's are thrown away."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        text = partial.read_text(encoding="utf-8")
        # A line that was cut off by the kill is done again.
        whole = text[: text.rfind("\n") + 1]
        head, *rest = whole.splitlines()
        if json.loads(head)["run"] == run:
            partial.write_text(whole, encoding="utf-8")
            return {record["id"]: record for record in map(json.loads, rest)}
    partial.unlink(missing_ok=True)
    return {}
