"""The page that `m31r-train data stats --html` writes: one file, to read and to send around."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from m31r_core.markup import section, shown, style, table
from m31r_data.report.charts import Bar, bar_chart
from m31r_data.report.facts import Amount, Facts, Reason, count, facts_of, share, short

TEMPLATE = Path(__file__).with_name("page.html")
BARS = 20
"""Bars that a chart has at most; tables have everything."""

_FILES = ("files", "bytes", "tokens")


def html_report(manifest: Mapping[str, Any]) -> str:
    """Return the report as one HTML file: no scripts, nothing loaded, light or dark as it is read.

    Every string of the manifest is escaped; what it leaves out has no section.
    """
    facts = facts_of(manifest)
    sections = [
        _funnel(facts.funnel),
        _reasons(facts.reasons),
        _splits(facts),
        _counts("Licences", "licence", facts.licences, "files"),
        _counts("Lengths", "tokens, below", facts.lengths, "files"),
        _counts("Does it compile?", "answer", facts.compiles, "files"),
        _counts("Masked", "kind", facts.masked, "times"),
    ]
    body = "\n".join(filter(None, sections))
    template = Template(TEMPLATE.read_text(encoding="utf-8"))
    return template.substitute(
        style=style(),
        summary=_summary(facts),
        body=body or "<p>The manifest holds no statistics.</p>",
    )


def _summary(facts: Facts) -> str:
    files, size, tokens = (sum(getattr(split, key) for split in facts.splits) for key in _FILES)
    parts = [f"<b>{count(files)}</b> files" if files else ""]
    parts.append(f"<b>{short(size)}B</b> of text" if size else "")
    parts.append(f"<b>{short(tokens)}</b> tokens" if tokens else "")
    if facts.funnel:
        parts.append(f"of {count(facts.funnel[0].files)} files that were read")
    return ", ".join(part for part in parts if part)


def _funnel(funnel: Sequence[Amount]) -> str:
    if not funnel:
        return ""
    before = [funnel[0], *funnel]
    bars = [
        Bar(
            row.name,
            row.bytes,
            f"{short(row.bytes)}B, {short(row.files)} files",
            last.bytes - row.bytes,
        )
        for last, row in zip(before, funnel, strict=False)
    ]
    rows = [
        (
            row.name,
            count(row.files),
            share(row.files, funnel[0].files),
            count(row.bytes),
            count(row.tokens),
        )
        for row in funnel
    ]
    numbers = table(("step", "files", "", "bytes", "tokens"), rows)
    return section(
        "What is left after each step", bar_chart("Bytes after each step", bars), numbers
    )


def _reasons(reasons: Sequence[Reason]) -> str:
    if not reasons:
        return ""
    total = sum(reason.amount.files for reason in reasons)
    bars = [
        Bar(each.amount.name, each.amount.files, _files(each.amount, total))
        for each in reasons[:BARS]
    ]
    details = "\n".join(_details(reason) for reason in reasons)
    return section("What was left out, and why", bar_chart("Files by reason", bars), details)


def _files(amount: Amount, total: int) -> str:
    return f"{count(amount.files)} ({share(amount.files, total)})"


def _details(reason: Reason) -> str:
    amount = reason.amount
    size = f"{count(amount.files)} files, {count(amount.bytes)} bytes"
    examples = "\n".join(
        f"<h4>{shown(each.place)}</h4><pre><code>{shown(each.head)}</code></pre>"
        for each in reason.examples
    )
    return (
        f"<details><summary>{shown(amount.name)} <span>{size}</span></summary>"
        f"{examples or '<p>No examples.</p>'}</details>"
    )


def _splits(facts: Facts) -> str:
    parts = []
    if facts.splits:
        rows = [(row.name, *(count(getattr(row, key)) for key in _FILES)) for row in facts.splits]
        parts.append(table(("split", *_FILES), rows))
    if facts.sets:
        splits = list(dict.fromkeys(name for each in facts.sets.values() for name in each))
        bars = [
            Bar(name, sum(each.values()), f"{short(sum(each.values()))} tokens")
            for name, each in facts.sets.items()
        ]
        parts.append(bar_chart("Tokens of each set", bars))
        rows = [
            (name, *(count(each.get(split, 0)) for split in splits))
            for name, each in facts.sets.items()
        ]
        parts.append(table(("set", *splits), rows))
    return section("Splits and sets", *parts) if parts else ""


def _counts(title: str, name: str, counts: Mapping[str, int], unit: str) -> str:
    if not counts:
        return ""
    total = sum(counts.values())
    items = list(counts.items())
    bars = [Bar(key, number, f"{count(number)} ({share(number, total)})") for key, number in items]
    numbers = table((name, unit), [(key, count(number)) for key, number in items])
    if len(items) <= BARS:
        return section(title, bar_chart(title, bars))
    return section(
        title,
        bar_chart(title, bars[:BARS]),
        f"<details><summary>All {len(items)}</summary>{numbers}</details>",
    )
