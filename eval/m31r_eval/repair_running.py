"""Run all tasks of a repair evaluation, go on where a killed run stopped, and sum up.

In `results.jsonl` and `metrics.json` only what is named `timings_s` differs between two runs with
the same inputs and seed, as long as the deadline cuts no task (`cut`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from m31r_eval.completing import METRICS, RESULTS
from m31r_eval.metrics import bootstrap_interval, mean_of, percentile
from m31r_eval.progress import track
from m31r_eval.repair_tasks import RepairTaskFile
from m31r_eval.repairing import Record, RepairSetup, failed_record, open_repair
from m31r_eval.workers import Failed, work_on

PARTIAL = "results.partial.jsonl"


def run_repairs(
    task_file: RepairTaskFile,
    setup: RepairSetup,
    *,
    model_id: str | None,
    out: Path,
    seed: int,
    workers: int,
    grace_s: float,
    resamples: int,
) -> dict[str, Any]:
    """Repair every task and return the metrics, which then stand in `out` with the results.

    A task may take `grace_s` seconds beyond the two searches. Results of a run that was killed are
    taken over when it had the same tasks, tools and limits.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / METRICS).unlink(missing_ok=True)
    partial = out / PARTIAL
    run = _fingerprint(task_file, setup, model_id)
    known = _resume(partial, run)
    left = [task for task in task_file.tasks if task.id not in known]
    done = len(task_file.tasks) - len(left)
    with (
        tempfile.TemporaryDirectory(prefix="m31r-eval-") as scratch,
        partial.open("a", encoding="utf-8", newline="\n") as lines,
    ):
        if lines.tell() == 0:
            lines.write(json.dumps({"run": run}) + "\n")
        if done:
            print(f"repair: {done} tasks were done before")
        results = work_on(
            left,
            open_repair,
            replace(setup, scratch=Path(scratch)),
            workers=workers,
            seconds=2 * setup.limits.seconds + grace_s,
        )
        for each in track(results, "repair", len(left)):
            record = each.result
            if isinstance(record, Failed):
                record = failed_record(each.task, record.reason)
            known[each.task.id] = record
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
            lines.flush()
    records = [known[task.id] for task in task_file.tasks]
    with (out / RESULTS).open("w", encoding="utf-8", newline="\n") as results_file:
        for record in records:
            results_file.write(json.dumps(record, ensure_ascii=False) + "\n")
    head: dict[str, Any] = {
        "model_id": model_id,
        "tasks_sha256": task_file.sha256,
        "rustc": setup.toolchain.version,
        "limits": {**asdict(setup.limits), "lanes": setup.lanes, "run_s": setup.run_s},
        "sandboxed": setup.sandbox.has_walls,
        "seed": seed,
    }
    metrics = {**head, **summarise_repairs(records, resamples=resamples, seed=seed)}
    text = json.dumps(metrics, indent=2, ensure_ascii=False) + "\n"
    (out / METRICS).write_text(text, encoding="utf-8")
    partial.unlink()
    return metrics


def summarise_repairs(records: Sequence[Record], *, resamples: int, seed: int) -> dict[str, Any]:
    """Return the numbers of `metrics.json` that come from the results.

    The top level is about the tasks that have errors at the start; `clean_at_start` and `all` are
    about the others and about all of them.
    """
    broken = [record for record in records if record["broken_at_start"]]
    clean = [record for record in records if not record["broken_at_start"]]

    def block(rows: Sequence[Record]) -> dict[str, Any]:
        return _means(rows, resamples, seed)

    ours = [record for record in broken if record["fixed"]]
    return {
        "n": len(broken),
        **block(broken),
        "edit_similarity_before": _share(
            [r["edit_similarity_before"] for r in broken if r["edit_similarity_before"] is not None]
        ),
        "edit_similarity_fixed": _share(
            [r["edit_similarity"] for r in ours if r["edit_similarity"] is not None]
        ),
        "fixed_without_caution": _share([r["fixed"] and not r["cautions"] for r in broken]),
        "baseline": block([record["baseline"] for record in broken]),
        "clean_at_start": {"n": len(clean), "solved": sum(r["solved"] for r in clean)},
        "all": {
            "n": len(records),
            **{name: _share([r[name] for r in records]) for name in ("fixed", "solved")},
            "baseline": {
                name: _share([r["baseline"][name] for r in records]) for name in ("fixed", "solved")
            },
        },
        "references": _references(records),
        "by_code": by_code(broken),
        "by_source": _by_source(broken),
        "cautions": dict(sorted(Counter(c for r in ours for c in r["cautions"]).items())),
        "crashed": sum("crash" in record for record in records),
        "cut_by_deadline": sum(record["cut"] for record in records),
        "checks": _percentiles([float(record["checks"]) for record in broken]),
        "timings_s": {
            name: _percentiles([v for r in broken if (v := r["timings_s"][name]) is not None])
            for name in ("first_fix", "total", "baseline")
        },
    }


def by_code(records: Sequence[Record]) -> dict[str, dict[str, int]]:
    """Return, for the first error code of the tasks, how many there are and who repaired them."""
    rows: dict[str, dict[str, int]] = {}
    for record in records:
        first = record["errors_before"][0]["code"] if record["errors_before"] else "unknown"
        row = rows.setdefault(first, {"n": 0, "fixed": 0, "baseline": 0})
        row["n"] += 1
        row["fixed"] += record["fixed"]
        row["baseline"] += record["baseline"]["fixed"]
    return dict(sorted(rows.items(), key=lambda item: (-item[1]["n"], item[0])))


def _by_source(records: Sequence[Record]) -> dict[str, dict[str, int]]:
    """Return for each source the fixed tasks with a step from it, those all from it, the steps."""
    rows: dict[str, dict[str, int]] = {}
    for record in records:
        if not record["fixed"]:
            continue
        for source in record["sources"]:
            row = rows.setdefault(source, {"fixed": 0, "alone": 0, "steps": 0})
            row["fixed"] += 1
            row["alone"] += len(record["sources"]) == 1
            row["steps"] += sum(step["source"] == source for step in record["steps"])
    return dict(sorted(rows.items()))


def _references(records: Sequence[Record]) -> dict[str, int]:
    known = [record["reference"] for record in records if record["reference"]]
    return {
        "n": len(known),
        "compile": sum(reference["compiles"] for reference in known),
        "run": sum(bool(reference["runs"]) for reference in known),
    }


def _means(rows: Sequence[Record], resamples: int, seed: int) -> dict[str, Any]:
    columns = {
        "fixed": [float(row["fixed"]) for row in rows],
        "solved": [float(row["solved"]) for row in rows],
        "edit_similarity": [
            row["edit_similarity"] for row in rows if row["edit_similarity"] is not None
        ],
    }
    intervals = {
        name: bootstrap_interval(values, resamples=resamples, seed=seed)
        for name, values in columns.items()
    }
    return {
        **{name: _share(values) for name, values in columns.items()},
        "ci95": {name: [round(end, 6) for end in ends] for name, ends in intervals.items()},
    }


def _share(values: Sequence[Any]) -> float:
    return round(mean_of([float(value) for value in values]), 6)


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    return {f"p{p}": round(percentile(values, p / 100), 3) for p in (50, 95)}


def _fingerprint(task_file: RepairTaskFile, setup: RepairSetup, model_id: str | None) -> str:
    parts = (task_file.sha256, model_id, setup.toolchain.version, asdict(setup.limits), setup.lanes)
    return hashlib.sha256(repr((*parts, setup.run_s)).encode()).hexdigest()


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
