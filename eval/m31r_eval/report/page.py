"""The page that `m31r-eval report` writes: one file, to read and to send around."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any, cast

from m31r_core.markup import section, shown, style, table
from m31r_eval.measures import MEASURES, Suite
from m31r_eval.report.browsing import items_of
from m31r_eval.report.charts import Estimate, histogram, interval_chart, reliability_chart
from m31r_eval.report.runs import Run, read_runs

_HERE = Path(__file__).parent
_MOST_ROWS = 24


def write_report(folder: Path, out: Path) -> None:
    """Write the report about the run in `folder`, or about all runs below it, to `out`.

    Raises ConfigError where there is no finished run.
    """
    text = html_report(read_runs(folder))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")


def html_report(runs: Sequence[Run]) -> str:
    """Return the report as one HTML file: nothing is loaded, whatever a run holds stays text."""
    items = [item for run in runs for item in items_of(run)]
    template = Template(_file("page.html"))
    return template.substitute(
        style=style() + _file("page.css"),
        script=_file("page.js"),
        # What could end the element is written as JSON can write it too.
        items=json.dumps(items, ensure_ascii=True).replace("<", "\\u003c"),
        summary=_summary(runs),
        body="\n".join(_run(run) for run in runs),
        version=shown(version("m31r")),
    )


def _file(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _summary(runs: Sequence[Run]) -> str:
    rows = []
    for run in runs:
        numbers = ", ".join(
            f"{estimate.label} {estimate.said}" for estimate in _estimates(run.metrics, run.suite)
        )
        if run.suite == "latency":
            numbers = _milliseconds(run.metrics["latency_ms"])
        elif run.suite == "memory":
            numbers = f"{run.metrics.get('end_mib', 0)} MiB at the end"
        model = str(run.metrics.get("model_id") or "no model")
        rows.append((run.name, run.suite, model, str(run.metrics.get("n", "")), numbers))
    return table(("run", "suite", "model", "tasks", "95% intervals"), rows)


def _run(run: Run) -> str:
    metrics = run.metrics
    parts = [f"<p>{shown(_how(metrics))}</p>"]
    parts += _models(metrics, run.suite)
    parts += _breakdowns(metrics, run.suite)
    if metrics.get("reliability"):
        error = metrics.get("calibration_error", 0.0)
        parts.append("<h3>Reliability</h3>")
        parts.append(reliability_chart(metrics["reliability"]))
        parts.append(f"<p>Expected calibration error {100 * error:.1f} points.</p>")
    for name, key in (("verdicts", "verdicts"), ("first error", "first_errors")):
        if metrics.get(key):
            rows = [(word, str(count)) for word, count in metrics[key].items()]
            parts.append(table((name, "n"), rows[:_MOST_ROWS]))
    parts += _times(run)
    return section(f"{run.name} ({run.suite})", *parts)


def _how(metrics: Mapping[str, Any]) -> str:
    said = [f"tasks {str(metrics.get('tasks_sha256', ''))[:12]}", f"seed {metrics.get('seed')}"]
    said += [str(metrics["rustc"])] if "rustc" in metrics else []
    for name in ("samples", "temperature", "crashed", "original_compile_rate"):
        if name in metrics:
            said.append(f"{name.replace('_', ' ')} {metrics[name]}")
    return ", ".join(said)


def _models(metrics: Mapping[str, Any], suite: str) -> Iterator[str]:
    """Yield a chart for each measure: the model, and those beside it."""
    rows = {str(metrics.get("model_id") or "M31R"): metrics, **metrics.get("baselines", {})}
    if suite == "repair" and "baseline" in metrics:
        rows["rustc alone"] = metrics["baseline"]
    for measure in MEASURES.get(cast(Suite, suite), ()):
        estimates = [
            _estimate(label, row, measure.name)
            for label, row in rows.items()
            if measure.name in row
        ]
        if estimates:
            name = measure.name.replace("_", " ")
            yield f"<h3>{shown(name)}</h3>"
            yield interval_chart(name, estimates)


def _breakdowns(metrics: Mapping[str, Any], suite: str) -> Iterator[str]:
    measures = MEASURES.get(cast(Suite, suite), ())
    for key, rows in metrics.get("by", {}).items():
        name = measures[0].name
        estimates = [
            _estimate(label, row, name, row["n"])
            for label, row in list(rows.items())[:_MOST_ROWS]
            if name in row
        ]
        if estimates:
            title = f"{name.replace('_', ' ')} by {key}"
            yield f"<h3>{shown(title)}</h3>"
            yield interval_chart(title, estimates)


def _times(run: Run) -> Iterator[str]:
    if run.suite == "complete":
        values = [value for r in run.records if (value := r["timings_ms"].get("first")) is not None]
        yield "<h3>Latency of the first answer in a file</h3>"
        yield histogram("Latency of the first answer", values, "ms")
    elif run.suite == "check":
        values = [value for r in run.records if (value := r["timings_ms"].get("check")) is not None]
        yield "<h3>Time of a check</h3>"
        yield histogram("Time of a check", values, "ms")
    elif run.suite == "latency":
        values = [v for r in run.records for v in r["timings"].get("answers_ms", [])]
        yield "<h3>From a request to its answer</h3>"
        yield histogram("From a request to its answer", values, "ms")
    elif run.suite == "memory":
        rows = [
            (str(r["id"]), *(f"{level:.1f}" for level in _ends(r["timings"]["resident_mib"])))
            for r in run.records
            if r["timings"]
        ]
        yield table(("trace", "at the start", "first answer", "at the end", "most, MiB"), rows)


def _ends(levels: Sequence[float]) -> tuple[float, float, float, float]:
    return levels[0], levels[1], levels[-1], max(levels)


def _estimates(metrics: Mapping[str, Any], suite: str) -> Iterator[Estimate]:
    for measure in MEASURES.get(cast(Suite, suite), ()):
        if measure.name in metrics:
            yield _estimate(measure.name.replace("_", " "), metrics, measure.name)


def _estimate(label: str, row: Mapping[str, Any], name: str, n: int | None = None) -> Estimate:
    low, high = row.get("ci95", {}).get(name, (row[name], row[name]))
    return Estimate(label, row[name], low, high, n)


def _milliseconds(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.1f} ms" for name, value in values.items())
