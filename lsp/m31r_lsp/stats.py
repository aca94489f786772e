"""m31r-lsp stats: what was shown and taken, by day."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date

from rich.console import Console
from rich.table import Table

from m31r_core.errors import M31RError
from m31r_lsp.statistics import Counts, read, statistics_file

_DAYS = 14


def stats(*, as_json: bool, reset: bool) -> int:
    """Print the counts of the last days and of all; `reset` removes them instead."""
    file = statistics_file()
    if reset:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise M31RError(f"{file}: {error.strerror}") from error
        return 0
    days = read(file)
    total = sum(days.values(), Counts())
    if as_json:
        rows = {day.isoformat(): asdict(counts) for day, counts in days.items()}
        print(json.dumps({"file": str(file), "days": rows, "total": asdict(total)}))
        return 0
    console = Console(highlight=False)
    if not days:
        console.print("nothing was shown yet", highlight=False)
        return 0
    console.print(_table(days, total))
    console.print(f"kept in {file}, sent nowhere", soft_wrap=True)
    return 0


def _table(days: Mapping[date, Counts], total: Counts) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("day")
    for name in ("shown", "accepted", "kept", "characters saved"):
        table.add_column(name, justify="right")
    for day, counts in list(days.items())[-_DAYS:]:
        table.add_row(day.isoformat(), *_cells(counts))
    table.add_row("all days", *_cells(total))
    return table


def _cells(counts: Counts) -> tuple[str, str, str, str]:
    def share(part: int, whole: int) -> str:
        return f"{part} ({part / whole:.0%})" if whole else str(part)

    return (
        str(counts.shown),
        share(counts.accepted, counts.shown),
        share(counts.kept, counts.accepted),
        str(counts.characters),
    )
