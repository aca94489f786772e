"""The suite `complete`: is the text right, and how much typing does it save?

A model answers as it does in the editor. With tasks that bring text of other files, what that text
is worth is measured by asking once with it and once without.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from m31r_eval.contestants import Contestants
from m31r_eval.keystrokes import Typing, simulate
from m31r_eval.measures import TEXT_KEYS, break_down, summarise
from m31r_eval.metrics import expected_calibration_error, percentiles, reliability
from m31r_eval.models import Answer, Asked, Drawn, Model
from m31r_eval.running import Crew, Record, digest_of, finish, run_tasks
from m31r_eval.scores import Score
from m31r_eval.settings import CompleteSettings
from m31r_eval.tasks import CompleteTask, TaskFile

ContextUse = Literal["with", "without", "both"]

WITHOUT = "without context"


@dataclass(frozen=True)
class CompleteSetup:
    """What completing tasks needs; it can be sent to another process."""

    contestants: Contestants
    settings: CompleteSettings
    simulation: bool
    context: ContextUse


def run_complete(
    task_file: TaskFile[CompleteTask],
    setup: CompleteSetup,
    *,
    out: Path,
    seed: int,
    workers: int,
) -> Record:
    """Complete every task and return the metrics, which then stand in `out` with the results.

    With `simulation`, line tasks are also typed (`keystrokes.simulate`). Latency is the wall time
    of the first query of a task, in a file that the model has not seen; `typing_latency_ms` that of
    the later ones, while the user types.
    """
    model_id, beside, models = setup.contestants.names()
    settings = setup.settings
    records = run_tasks(
        task_file.tasks,
        open_complete,
        setup,
        label="complete",
        out=out,
        run=digest_of(
            "complete", task_file.sha256, models, settings, setup.simulation, setup.context
        ),
        crew=Crew(workers, settings.task_s),
        failed=failed_record,
    )
    head: Record = {
        "suite": "complete",
        "model_id": model_id,
        "beside": list(beside),
        "tasks_sha256": task_file.sha256,
        "seed": seed,
        "context": setup.context,
    }
    metrics = {**head, **summarise_completions(records, settings.resamples, seed)}
    finish(out, metrics)
    return metrics


def open_complete(setup: CompleteSetup) -> Callable[[CompleteTask], Record]:
    """Return what completes a task; loads the models once."""
    model, others = setup.contestants.open()
    return lambda task: complete_task(task, setup, model, others)


def complete_task(
    task: CompleteTask, setup: CompleteSetup, model: Model, others: dict[str, Model]
) -> Record:
    """Return the line of `results.jsonl`."""
    settings = setup.settings
    queries = settings.queries if setup.simulation and task.kind == "line" else 0
    drawn = Drawn(settings.max_new_tokens)
    timed = _Timed(model, drawn, with_context=setup.context != "without")
    first, score = _answer(task, timed, queries)
    beside = {
        name: _answer(task, _Timed(other, drawn, setup.context != "without"), queries)[1].as_json()
        for name, other in others.items()
    }
    if setup.context == "both" and task.context:
        alone = _Timed(model, drawn, with_context=False)
        beside[WITHOUT] = _answer(task, alone, queries)[1].as_json()
    return {
        "id": task.id,
        "path": task.path,
        "kind": task.kind,
        "middle": task.middle,
        "has_context": bool(task.context),
        **score.as_json(),
        **({} if first.confidence is None else {"confidence": round(first.confidence, 4)}),
        **first.details,
        "baselines": beside,
        "timings_ms": {
            "first": round(timed.queries_ms[0], 3),
            **{name: round(value, 3) for name, value in first.timings_ms.items()},
            "typing": [round(value, 3) for value in timed.queries_ms[1:]],
        },
    }


def failed_record(task: CompleteTask, reason: str) -> Record:
    """Return the line of a task that gave no result; it counts as nothing written."""
    return {
        "id": task.id,
        "path": task.path,
        "kind": task.kind,
        "middle": task.middle,
        "has_context": bool(task.context),
        **Score.of(task, "").as_json(),
        "verdict": "crashed",
        "crash": reason,
        "baselines": {},
        "timings_ms": {"first": None, "typing": []},
    }


def summarise_completions(records: Sequence[Record], resamples: int, seed: int) -> Record:
    """Return the numbers of `metrics.json` that come from the results."""

    def of(rows: Sequence[Record]) -> Record:
        return summarise(rows, "complete", resamples=resamples, seed=seed).as_json()

    names = sorted({name for record in records for name in record["baselines"]})
    sure = [record for record in records if "confidence" in record and record["completion"]]
    curve = reliability(
        [record["confidence"] for record in sure], [bool(record["exact_match"]) for record in sure]
    )
    finishes = Counter(record["finish"] for record in records if "finish" in record)
    first = [value for r in records if (value := r["timings_ms"]["first"]) is not None]
    typing = [value for record in records for value in record["timings_ms"]["typing"]]
    return {
        **of(records),
        "crashed": sum("crash" in record for record in records),
        **({"end_rate": round(finishes["end"] / len(records), 6)} if finishes else {}),
        "finish": dict(sorted(finishes.items())),
        "baselines": {
            name: of([r["baselines"][name] for r in records if name in r["baselines"]])
            for name in names
        },
        **_context_gain(records, of),
        "by": break_down(
            records,
            TEXT_KEYS,
            "complete",
            resamples=resamples,
            seed=seed,
        ),
        "reliability": [vars(each) for each in _rounded(curve)],
        **({"calibration_error": round(expected_calibration_error(curve), 6)} if curve else {}),
        "latency_ms": percentiles(first),
        **({"typing_latency_ms": percentiles(typing)} if typing else {}),
    }


def _context_gain(
    records: Sequence[Record], of: Callable[[Sequence[Record]], Record]
) -> dict[str, Any]:
    """Return the tasks that were asked with other files' text and without it, side by side."""
    both = [record for record in records if WITHOUT in record["baselines"]]
    if not both:
        return {}
    alone = [record["baselines"][WITHOUT] for record in both]
    return {"context_gain": {"with": of(both), "without": of(alone)}}


def _rounded(curve: Sequence[Any]) -> list[Any]:
    return [
        type(each)(each.low, each.high, each.n, round(each.confidence, 4), round(each.right, 4))
        for each in curve
    ]


class _Timed:
    """A model that is asked for one task, and how long each answer took."""

    def __init__(self, model: Model, drawn: Drawn, with_context: bool) -> None:
        self._model = model
        self._drawn = drawn
        self._with_context = with_context
        self.queries_ms: list[float] = []

    def ask(self, task: CompleteTask, typed: str = "") -> Answer:
        asked = Asked(
            path=task.path,
            prefix=task.prefix + typed,
            suffix=task.suffix,
            whole_line=task.kind != "block",
            context=task.context if self._with_context else (),
            expected=task.middle[len(typed) :],
        )
        start = time.perf_counter()
        answer = self._model.complete(asked, self._drawn)
        self.queries_ms.append((time.perf_counter() - start) * 1e3)
        return answer


def _answer(task: CompleteTask, timed: _Timed, queries: int) -> tuple[Answer, Score]:
    first = timed.ask(task)
    typing: Typing | None = None
    if queries:
        typing = simulate(
            task.middle,
            lambda typed: timed.ask(task, typed).text,
            queries=queries,
            first=first.text,
        )
    return first, Score.of(task, first.text, typing)
