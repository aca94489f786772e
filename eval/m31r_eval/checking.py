"""The suite `check`: put a completion into the real crate; does it still compile?

A task's path begins with the folder of its crate. Its prefix, middle and suffix together stand in
that file once; the completion is put in place of the middle and rustc is asked about the crate.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from m31r_core.cargo.crate_compiler import CrateCompiler
from m31r_core.cargo.process import CargoError, Deadline
from m31r_core.errors import ConfigError, M31RError
from m31r_eval.contestants import Contestants
from m31r_eval.crates import CratePool, OpenCrates, prepare
from m31r_eval.measures import TEXT_KEYS, break_down, crate_of, summarise
from m31r_eval.metrics import exact_match, kept, percentiles
from m31r_eval.models import Asked, Drawn, Model
from m31r_eval.running import Crew, Record, digest_of, finish, run_tasks
from m31r_eval.settings import CheckSettings
from m31r_eval.tasks import CompleteTask, TaskFile

MOST_ERRORS = 5
"""Errors of one completion that are kept in its record."""


@dataclass(frozen=True)
class CheckSetup:
    """What checking completions needs; it can be sent to another process."""

    contestants: Contestants
    settings: CheckSettings
    pool: CratePool


@dataclass(frozen=True)
class Place:
    """Where a task lies: the crate's folder, the file in it, and the text around the middle."""

    folder: str
    path: str
    before: str
    after: str

    def with_text(self, text: str) -> bytes:
        """Return the file with `text` in place of the middle."""
        return f"{self.before}{text}{self.after}".encode()


def run_check(
    task_file: TaskFile[CompleteTask],
    setup: CheckSetup,
    *,
    out: Path,
    seed: int,
    workers: int,
) -> Record:
    """Check every task's completion and return the metrics, which then stand in `out`.

    Raises ConfigError for a task whose text is not in its crate, M31RError for a crate that does
    not compile here.
    """
    model_id, beside, models = setup.contestants.names()
    for task in task_file.tasks:
        place_of(task, setup.pool)
    folders = sorted({crate_of(task.path) for task in task_file.tasks})
    prepare(setup.pool, folders, workers=workers)
    records = run_tasks(
        # Tasks of one crate together: a worker keeps few of them open.
        sorted(task_file.tasks, key=lambda task: task.path),
        open_check,
        setup,
        label="check",
        out=out,
        run=digest_of(
            "check", task_file.sha256, models, setup.settings, setup.pool.toolchain.version
        ),
        crew=Crew(workers, 2 * (2 + len(beside)) * setup.settings.check_s + 300),
        failed=failed_record,
    )
    head: Record = {
        "suite": "check",
        "model_id": model_id,
        "beside": list(beside),
        "tasks_sha256": task_file.sha256,
        "seed": seed,
        "rustc": setup.pool.toolchain.version,
        "crates": folders,
        "sandboxed": setup.pool.sandbox.has_walls,
    }
    metrics = {**head, **summarise_checks(records, setup.settings.resamples, seed)}
    finish(out, metrics)
    return metrics


def open_check(setup: CheckSetup) -> Callable[[CompleteTask], Record]:
    """Return what checks a task; loads the models once."""
    model, others = setup.contestants.open()
    crates = OpenCrates(setup.pool, setup.settings.open_crates)
    return lambda task: check_task(task, setup, model, others, crates)


def check_task(
    task: CompleteTask,
    setup: CheckSetup,
    model: Model,
    others: dict[str, Model],
    crates: OpenCrates,
) -> Record:
    """Return the line of `results.jsonl`."""
    place = place_of(task, setup.pool)
    compiler = crates.get(place.folder, {})
    if compiler.errors:
        raise M31RError(f"{place.folder}: does not compile as it is: {compiler.errors[0].message}")
    seconds = setup.settings.check_s
    drawn = Drawn(setup.settings.max_new_tokens)
    start = time.perf_counter()
    asked = Asked(
        task.path, task.prefix, task.suffix, task.kind != "block", task.context, task.middle
    )
    text = model.complete(asked, drawn).text
    answered = time.perf_counter()
    ours = judge(task, place, text, compiler, seconds)
    checked = time.perf_counter()
    return {
        "id": task.id,
        "path": task.path,
        "kind": task.kind,
        "middle": task.middle,
        **ours,
        "original_compiles": judge(task, place, task.middle, compiler, seconds)["compiles"],
        "baselines": {
            name: judge(task, place, other.complete(asked, drawn).text, compiler, seconds)
            for name, other in others.items()
        },
        "timings_ms": {
            "complete": round((answered - start) * 1e3, 3),
            "check": round((checked - answered) * 1e3, 3),
        },
    }


def judge(
    task: CompleteTask, place: Place, text: str, compiler: CrateCompiler, seconds: float
) -> Record:
    """Return what `text` in place of the task's middle is worth.

    An empty completion does not compile, whatever rustc would say: nothing was written.
    """
    text = inserted(text, task.kind)
    exact = exact_match(text, task.middle, task.kind)
    record: Record = {"completion": text, "exact_match": int(exact), "compiles": 0, "errors": []}
    if not text.strip():
        return {**record, "verdict": "empty"}
    try:
        verdict = compiler.check({place.path: place.with_text(text)}, Deadline(seconds))
    except CargoError as error:
        return {**record, "verdict": "no answer", "errors": [{"code": "-", "message": str(error)}]}
    errors = [{"code": e.code or "-", "message": e.message} for e in verdict.new[:MOST_ERRORS]]
    if not verdict.passed:
        return {**record, "verdict": "fails", "errors": errors}
    return {**record, "verdict": "exact" if exact else "compiles", "compiles": 1}


def inserted(text: str, kind: str) -> str:
    """Return what of a completion goes into the file: a block as it is, a line without its end."""
    return text if kind == "block" else kept(text, kind)


def place_of(task: CompleteTask, pool: CratePool) -> Place:
    """Return where the task lies in its crate. Raises ConfigError where it does not."""
    folder, _, path = task.path.partition("/")
    source = pool.crate(folder).source
    file = source / path
    if not file.resolve().is_relative_to(source):
        raise ConfigError(f"task {task.id}: {file}: not a file of the crate")
    try:
        text = file.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"task {task.id}: {file}: {error}") from error
    whole = task.prefix + task.middle + task.suffix
    at = text.find(whole)
    if at < 0 or text.find(whole, at + 1) >= 0:
        raise ConfigError(f"task {task.id}: its text does not stand once in {file}")
    start = at + len(task.prefix)
    return Place(folder, path, text[:start], text[start + len(task.middle) :])


def failed_record(task: CompleteTask, reason: str) -> Record:
    """Return the line of a task that gave no result; it counts as not compiling."""
    return {
        "id": task.id,
        "path": task.path,
        "kind": task.kind,
        "middle": task.middle,
        "completion": "",
        "exact_match": 0,
        "compiles": 0,
        "errors": [],
        "verdict": "crashed",
        "crash": reason,
        "original_compiles": None,
        "baselines": {},
        "timings_ms": {"complete": None, "check": None},
    }


def summarise_checks(records: Sequence[Record], resamples: int, seed: int) -> Record:
    """Return the numbers of `metrics.json` that come from the results."""

    def of(rows: Sequence[Record]) -> Record:
        return summarise(rows, "check", resamples=resamples, seed=seed).as_json()

    known = [r["original_compiles"] for r in records if r["original_compiles"] is not None]
    names = sorted({name for record in records for name in record["baselines"]})
    other = [record for record in records if not record["exact_match"]]
    codes = Counter(each["errors"][0]["code"] for each in records if each["errors"])
    timings = [value for r in records if (value := r["timings_ms"]["check"]) is not None]
    return {
        **of(records),
        "original_compile_rate": round(sum(known) / len(known), 6) if known else 0.0,
        "compile_rate_of_others": of(other)["compile_rate"] if other else None,
        "crashed": sum("crash" in record for record in records),
        "verdicts": dict(sorted(Counter(record["verdict"] for record in records).items())),
        "first_errors": dict(codes.most_common()),
        "baselines": {
            name: of([r["baselines"][name] for r in records if name in r["baselines"]])
            for name in names
        },
        "by": break_down(
            records,
            TEXT_KEYS,
            "check",
            resamples=resamples,
            seed=seed,
        ),
        "check_latency_ms": percentiles(timings),
    }
