"""The page of a run: one file, no network, loaded anew by itself while the run goes on.

Everything in it comes from `log.jsonl`; the same log gives the same page.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any

from m31r_core.markup import section, shown, style, table
from m31r_train.page.charts import charts
from m31r_train.page.history import History, read_history
from m31r_train.page.numbers import NUMBERS, number_of, written

LOG, PAGE = "log.jsonl", "report.html"

_HERE = Path(__file__).parent
_TABLE_ROWS = 40
_SAMPLES_SHOWN = 12


def write_page(run: Path) -> Path:
    """Write `report.html` of the run's folder from its log, whole or not at all; return its path.

    Raises M31RError naming the log when there is none.
    """
    page, partial = run / PAGE, run / f"{PAGE}.partial"
    partial.write_text(html_page(read_history(run / LOG), run.name), encoding="utf-8")
    return partial.replace(page)


def html_page(history: History, name: str) -> str:
    """Return the page of a run called `name`."""
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    sections = [
        _latest(history) if history.keys else "",
        section("Curves", *charts(history)) if history.keys else "",
        _samples(history),
        _events(history),
        _numbers(history) if history.keys else "",
        _configuration(history),
    ]
    template = Template((_HERE / "page.html").read_text(encoding="utf-8"))
    return template.substitute(
        name=shown(name),
        style=style() + (_HERE / "page.css").read_text(encoding="utf-8"),
        script=script,
        script_hash=f"sha256-{digest}",
        state="running" if history.running else "done",
        summary=_summary(history),
        body="\n".join(filter(None, sections)) or "<p>Nothing is logged yet.</p>",
    )


def _summary(history: History) -> str:
    planned, step = history.planned_steps, history.last_step
    parts = [f"step <b>{step:,}</b>" + (f" of {planned:,}" if planned else "")]
    if history.rows:
        last = history.rows[-1]
        parts.append(f"<b>{last.tokens / 1e6:,.1f}M</b> tokens")
        parts.append(f"written {_moment(last.time)}")
    if history.running and (left := _minutes_left(history)) is not None:
        parts.append(f"about {left:,.0f} min left")
    if not history.running and planned:
        parts.append("done" if step >= planned else "stopped")
    return ", ".join(parts)


def _minutes_left(history: History) -> float | None:
    """Return how long the steps that are left take at the rate since the last start."""
    start = max((i for i, row in enumerate(history.rows) if row.event == "started"), default=0)
    rows = [row for row in history.rows[start:] if row.kept and not row.event]
    if len(rows) < 2 or rows[-1].step <= rows[0].step:
        return None
    each = (rows[-1].time - rows[0].time) / (rows[-1].step - rows[0].step)
    return each * (history.planned_steps - rows[-1].step) / 60


def _latest(history: History) -> str:
    rows = []
    for key in _ordered(history.keys):
        known = [row for row in history.rows_with(key) if row.number(key) is not None]
        if not known:
            continue
        values = [row.number(key) or 0.0 for row in known]
        number = number_of(key)
        label = f"{number.label} ({number.unit})" if number.unit else number.label
        cells = (written(key, values[-1]), written(key, min(values)), written(key, max(values)))
        rows.append((label, *cells, f"{known[-1].step:,}"))
    return section("Latest", table(("number", "latest", "lowest", "highest", "at step"), rows))


def _ordered(keys: Sequence[str]) -> list[str]:
    known = [key for key in NUMBERS if key in keys]
    return known + [key for key in keys if key not in NUMBERS]


def _samples(history: History) -> str:
    looks = [row for row in history.events("samples") if isinstance(row.values["samples"], list)]
    if not looks:
        return ""
    latest = looks[-1]
    parts = [f"<p>The rest of a line, the likeliest tokens, at step {latest.step:,}.</p>"]
    for i, sample in enumerate(latest.values["samples"]):
        parts.append(_sample(sample))
        earlier = [
            (f"step {row.step:,}", _text(row.values["samples"][i], "written"))
            for row in looks[-_SAMPLES_SHOWN:]
            if i < len(row.values["samples"])
        ]
        if len(earlier) > 1:
            parts.append(
                f'<details id="sample-{i}"><summary>Over time</summary>'
                f"{_texts('samples', ('at', 'written'), earlier)}</details>"
            )
    return section("Samples", *parts)


def _sample(sample: Mapping[str, Any]) -> str:
    right = _text(sample, "written") == _text(sample, "middle")
    end = '<span class="end">end</span>' if sample.get("ended") else ""
    wanted = "" if right else f" <del>{shown(_text(sample, 'middle'))}</del>"
    kind, verdict = ("right", "as it was") if right else ("wrong", "it was the struck text")
    return (
        f'<h4>{shown(_text(sample, "path"))} <span class="{kind}">{verdict}</span></h4>'
        f"<pre><code>{shown(_text(sample, 'before'))}"
        f'<ins class="{kind}">{shown(_text(sample, "written"))}</ins>{end}{wanted}'
        f"{shown(_text(sample, 'after'))}</code></pre>"
    )


def _text(sample: Mapping[str, Any], key: str) -> str:
    return str(sample.get(key, ""))


def _events(history: History) -> str:
    rows = [
        (f"{row.step:,}", row.event, _details(row.values), _moment(row.time))
        for row in history.events()
        if row.event != "samples"
    ]
    if history.unreadable:
        lines = "1 line" if history.unreadable == 1 else f"{history.unreadable} lines"
        rows.append(("", "unreadable", f"{lines} of the log", ""))
    header = ("step", "event", "details", "time")
    return section("Events", _texts("events", header, rows)) if rows else ""


def _texts(kind: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of words, not numbers: it is aligned to the left."""
    return f'<div class="texts {kind}">{table(header, rows)}</div>'


def _details(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in values.items()
        if key not in ("event", "config")
    )


def _numbers(history: History) -> str:
    """Return a table of the curves, at evenly chosen lines of the log."""
    keys = _ordered(history.keys)
    rows = [row for row in history.rows if row.kept and not row.event]
    steps = sorted({row.step for row in rows})
    if len(steps) > _TABLE_ROWS:
        last = len(steps) - 1
        steps = [steps[round(i * last / (_TABLE_ROWS - 1))] for i in range(_TABLE_ROWS)]
    at: dict[int, dict[str, str]] = {step: {} for step in steps}
    tokens: dict[int, int] = {}
    for row in rows:
        if row.step in at:
            tokens[row.step] = row.tokens
            found = [key for key in keys if key in row.values]
            at[row.step] |= {key: written(key, row.number(key)) for key in found}
    lines = [
        (f"{step:,}", f"{tokens[step]:,}", *(at[step].get(key, "") for key in keys))
        for step in steps
    ]
    header = ("step", "tokens", *(number_of(key).label for key in keys))
    return section(
        "Numbers",
        f'<details id="numbers"><summary>{len(steps)} of the steps</summary>'
        f'<div class="scroll">{table(header, lines)}</div></details>',
    )


def _configuration(history: History) -> str:
    config = history.started.get("config")
    if not isinstance(config, Mapping):
        return ""
    rows = list(_flat(config, ""))
    for key in ("parameters", "flops_per_token", "peak_flops", "processes", "torch"):
        if key in history.started:
            value = history.started[key]
            rows.append((key, f"{value:,.0f}" if isinstance(value, int | float) else str(value)))
    return section(
        "Configuration",
        f'<details id="configuration"><summary>{len(rows)} keys</summary>'
        f"{_texts('configuration', ('key', 'value'), rows)}</details>",
    )


def _flat(config: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in config.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", str(value)))
    return rows


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
