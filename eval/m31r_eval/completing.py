"""Run completion tasks through the model and the baselines, and write what came of it.

The model answers through `Completer`, as it does in the editor. In `results.jsonl` and
`metrics.json` only `timings_ms`, `latency_ms` and `typing_latency_ms` differ between two runs with
the same inputs and seed.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from m31r_core.engine.complete import Completer, Completion, CompletionRequest
from m31r_eval import copying
from m31r_eval.keystrokes import Typing, simulate
from m31r_eval.metrics import percentile
from m31r_eval.ngram import NgramCompleter
from m31r_eval.progress import track
from m31r_eval.scores import Score, Summary, summarise
from m31r_eval.settings import CompleteSettings
from m31r_eval.tasks import CompleteTask, TaskFile

RESULTS = "results.jsonl"
METRICS = "metrics.json"


class Baseline(Protocol):
    """Something cheap that completes as well."""

    def __call__(self, task: CompleteTask) -> Callable[[str], str]:
        """Return what completes `task` when a first part of its middle is typed already."""


def copy_baseline(task: CompleteTask) -> Callable[[str], str]:
    """Complete by copying from the file."""
    return lambda typed: copying.complete(task.prefix + typed, task.suffix)


def ngram_baseline(completer: NgramCompleter) -> Baseline:
    """Complete by the n-gram, whose cache sees the file around the cursor."""

    def open_task(task: CompleteTask) -> Callable[[str], str]:
        cache = completer.open(task.prefix, task.suffix)
        whole_line = task.kind != "block"
        return lambda typed: completer.complete(task.prefix + typed, cache, whole_line=whole_line)

    return open_task


@dataclass(frozen=True)
class Report:
    """What a run came to; `baselines` by name."""

    model: Summary
    baselines: dict[str, Summary]
    latency_ms: dict[str, float]
    metrics: dict[str, object]


@dataclass(frozen=True)
class _Answer:
    """The model on one task: its first completion, its score, and milliseconds per query."""

    completion: Completion
    score: Score
    queries_ms: tuple[float, ...]


def run_tasks(
    task_file: TaskFile,
    completer: Completer,
    *,
    model_id: str,
    baselines: dict[str, Baseline],
    out: Path,
    seed: int,
    simulation: bool,
    settings: CompleteSettings,
) -> Report:
    """Complete every task, streaming `results.jsonl` into `out`, then write `metrics.json`.

    With `simulation`, line tasks are also typed (`keystrokes.simulate`). Latency is the wall time
    of the first query of a task, in a file that the model has not seen; `typing_latency_ms` that of
    the later ones, while the user types.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / METRICS).unlink(missing_ok=True)
    answers: list[_Answer] = []
    theirs: dict[str, list[Score]] = {name: [] for name in baselines}
    queries = settings.queries if simulation else 0
    with (out / RESULTS).open("w", encoding="utf-8", newline="\n") as results:
        for task in track(task_file.tasks, "complete", len(task_file.tasks)):
            answer = _ask(completer, task, queries, settings.max_new_tokens)
            answers.append(answer)
            beside = {name: _score(task, open_(task), queries) for name, open_ in baselines.items()}
            for name, score in beside.items():
                theirs[name].append(score)
            results.write(json.dumps(_line(task, answer, beside), ensure_ascii=False) + "\n")
            results.flush()
    report = _report(task_file, answers, theirs, model_id, seed, settings)
    text = json.dumps(report.metrics, indent=2, ensure_ascii=False) + "\n"
    (out / METRICS).write_text(text, encoding="utf-8")
    return report


def _ask(completer: Completer, task: CompleteTask, queries: int, max_new_tokens: int) -> _Answer:
    queries_ms: list[float] = []

    def complete(typed: str) -> Completion:
        request = CompletionRequest(
            path=task.path,
            prefix=task.prefix + typed,
            suffix=task.suffix,
            context=task.context,
            kind="block" if task.kind == "block" else "line",
            max_new_tokens=max_new_tokens,
        )
        start = time.perf_counter()
        completion = completer.complete(request)
        queries_ms.append((time.perf_counter() - start) * 1e3)
        return completion

    first = complete("")
    typing = _type(task, first.text, lambda typed: complete(typed).text, queries)
    return _Answer(first, Score.of(task, first.text, typing), tuple(queries_ms))


def _score(task: CompleteTask, complete: Callable[[str], str], queries: int) -> Score:
    first = complete("")
    return Score.of(task, first, _type(task, first, complete, queries))


def _type(
    task: CompleteTask, first: str, suggest: Callable[[str], str], queries: int
) -> Typing | None:
    if not queries or task.kind != "line":
        return None
    return simulate(task.middle, suggest, queries=queries, first=first)


def _line(task: CompleteTask, answer: _Answer, beside: dict[str, Score]) -> dict[str, object]:
    generation = answer.completion.generation
    return {
        "id": task.id,
        "path": task.path,
        "kind": task.kind,
        "middle": task.middle,
        **answer.score.as_json(),
        "confidence": round(answer.completion.confidence, 4),
        "finish": generation.finish,
        "tokens": len(generation.ids),
        "baselines": {name: score.as_json() for name, score in beside.items()},
        "timings_ms": {
            "first": round(answer.queries_ms[0], 3),
            "prefill": round(generation.prefill_ms, 3),
            "decode": round(generation.decode_ms, 3),
            "typing": [round(value, 3) for value in answer.queries_ms[1:]],
        },
    }


def _report(
    task_file: TaskFile,
    answers: Sequence[_Answer],
    theirs: dict[str, list[Score]],
    model_id: str,
    seed: int,
    settings: CompleteSettings,
) -> Report:
    def summary(scores: Sequence[Score]) -> Summary:
        return summarise(scores, resamples=settings.resamples, seed=seed)

    model = summary([answer.score for answer in answers])
    baselines = {name: summary(scores) for name, scores in theirs.items()}
    finish = Counter(answer.completion.generation.finish for answer in answers)
    latency = _percentiles([answer.queries_ms[0] for answer in answers])
    typing = [value for answer in answers for value in answer.queries_ms[1:]]
    metrics: dict[str, object] = {
        "model_id": model_id,
        "tasks_sha256": task_file.sha256,
        "n": len(answers),
        "seed": seed,
        **model.as_json(),
        "end_rate": round(finish["end"] / len(answers), 6),
        "finish": dict(sorted(finish.items())),
        "baselines": {name: summary.as_json() for name, summary in baselines.items()},
        "latency_ms": latency,
        **({"typing_latency_ms": _percentiles(typing)} if typing else {}),
    }
    return Report(model, baselines, latency, metrics)


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    return {f"p{p}": round(percentile(values, p / 100), 3) for p in (50, 95)}
