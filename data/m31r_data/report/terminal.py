"""The tables that `m31r-train data stats` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from m31r_data.report.facts import Amount, Facts, count, facts_of, share

LICENCES_SHOWN = 15
"""Licences that have a row of their own; the rest share one."""


def tables(manifest: Mapping[str, Any]) -> list[Table]:
    """Return a table for each thing that the manifest tells: what passed, what did not, and why."""
    facts = facts_of(manifest)
    reasons = [reason.amount for reason in facts.reasons]
    found = [
        _amounts("Files left after each step", "step", facts.funnel, total=_first(facts.funnel)),
        _amounts("Left out", "reason", reasons, total=sum(each.files for each in reasons)),
        _amounts("Splits", "split", facts.splits, total=sum(each.files for each in facts.splits)),
        _sets(facts),
        _counts("Licences", "licence", _shortened(facts.licences), "files"),
        _counts("Masked", "kind", facts.masked, "times"),
        _counts("Compiles", "", facts.compiles, "files"),
    ]
    return [table for table in found if table is not None]


def _first(funnel: tuple[Amount, ...]) -> int:
    return funnel[0].files if funnel else 0


def _table(title: str, name: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column(name)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _amounts(
    title: str, name: str, rows: tuple[Amount, ...] | list[Amount], total: int
) -> Table | None:
    if not rows:
        return None
    tokens = any(row.tokens for row in rows)
    columns = ("files", "", "bytes", *(("tokens",) if tokens else ()))
    table = _table(title, name, columns)
    for row in rows:
        cells = [count(row.files), share(row.files, total), count(row.bytes)]
        table.add_row(Text(row.name), *cells, *([count(row.tokens)] if tokens else []))
    return table


def _sets(facts: Facts) -> Table | None:
    if not facts.sets:
        return None
    splits = tuple(dict.fromkeys(split for counts in facts.sets.values() for split in counts))
    table = _table("Tokens of each set", "set", tuple(map(_plain, splits)))
    for name, counts in facts.sets.items():
        table.add_row(Text(name), *(count(counts.get(split, 0)) for split in splits))
    return table


def _counts(title: str, name: str, counts: Mapping[str, int], unit: str) -> Table | None:
    if not counts:
        return None
    table = _table(title, name, (unit, ""))
    total = sum(counts.values())
    for key, number in counts.items():
        table.add_row(Text(key), count(number), share(number, total))
    return table


def _shortened(counts: dict[str, int]) -> dict[str, int]:
    shown = dict(list(counts.items())[:LICENCES_SHOWN])
    rest = sum(counts.values()) - sum(shown.values())
    if rest:
        shown[f"{len(counts) - len(shown)} others"] = rest
    return shown


def _plain(name: str) -> str:
    """Return `name` so that the header of a column shows it as it is, brackets too."""
    return name.replace("[", r"\[")
