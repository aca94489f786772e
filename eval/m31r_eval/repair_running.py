"""Run all tasks of a repair evaluation, go on where a killed run stopped, and sum up.

In `results.jsonl` and `metrics.json` only what is named `timings_s` differs between two runs with
the same inputs and seed, as long as the deadline cuts no task (`cut`).
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from m31r_eval.crates import prepare
from m31r_eval.measures import break_down, crate_of, summarise
from m31r_eval.metrics import mean_of, percentiles
from m31r_eval.repair_tasks import RepairTask
from m31r_eval.repairing import RepairSetup, failed_record, open_repair
from m31r_eval.running import Crew, Record, digest_of, finish, run_tasks
from m31r_eval.tasks import TaskFile


def run_repairs(
    task_file: TaskFile[RepairTask],
    setup: RepairSetup,
    *,
    model: tuple[str, str] | None,
    out: Path,
    seed: int,
    workers: int,
    grace_s: float,
    resamples: int,
) -> dict[str, Any]:
    """Repair every task and return the metrics, which then stand in `out` with the results.

    `model` is what `identify` says of the setup's. A task may take `grace_s` seconds beyond the two
    searches. Results of a run that was killed are taken over when it had the same tasks, tools and
    limits.
    """
    crates = sorted({task.crate for task in task_file.tasks if task.crate is not None})
    if crates and setup.pool is not None:
        prepare(setup.pool, crates, workers=workers)
    with tempfile.TemporaryDirectory(prefix="m31r-eval-") as scratch:
        records = run_tasks(
            task_file.tasks,
            open_repair,
            replace(setup, scratch=Path(scratch)),
            label="repair",
            out=out,
            run=digest_of(
                "repair",
                task_file.sha256,
                model,
                setup.toolchain.version,
                setup.limits,
                setup.lanes,
                setup.run_s,
            ),
            crew=Crew(workers, 2 * setup.limits.seconds + grace_s),
            failed=failed_record,
        )
    head: dict[str, Any] = {
        "suite": "repair",
        "model_id": model[0] if model else None,
        "tasks_sha256": task_file.sha256,
        "rustc": setup.toolchain.version,
        "limits": {**asdict(setup.limits), "lanes": setup.lanes, "run_s": setup.run_s},
        "sandboxed": setup.sandbox.has_walls,
        "seed": seed,
    }
    metrics = {**head, **summarise_repairs(records, resamples=resamples, seed=seed)}
    finish(out, metrics)
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
        "by": break_down(
            broken,
            {
                "first error": lambda r: (r["errors_before"] or [{"code": "unknown"}])[0]["code"],
                "crate": lambda record: crate_of(record["path"]),
            },
            "repair",
            resamples=resamples,
            seed=seed,
        ),
        "cautions": dict(sorted(Counter(c for r in ours for c in r["cautions"]).items())),
        "crashed": sum("crash" in record for record in records),
        "cut_by_deadline": sum(record["cut"] for record in records),
        "checks": percentiles([float(record["checks"]) for record in broken]),
        "timings_s": {
            name: percentiles([v for r in broken if (v := r["timings_s"][name]) is not None])
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


_ALWAYS = ("fixed", "solved", "edit_similarity", "fixed_without_caution")
"""Measures that stand in the metrics of a run without a task, too."""


def _means(rows: Sequence[Record], resamples: int, seed: int) -> dict[str, Any]:
    found = summarise(rows, "repair", resamples=resamples, seed=seed).as_json()
    del found["n"]
    return found if rows else {**dict.fromkeys(_ALWAYS, 0.0), **found}


def _share(values: Sequence[Any]) -> float:
    return round(mean_of([float(value) for value in values]), 6)
