"""How often suggestions were taken, counted by day in a file of the user's that nobody sends away.

SQLite, because several servers may count at the same time.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import date
from pathlib import Path

from m31r_core.errors import M31RError

_WAIT_S = 5.0


@dataclass(frozen=True)
class Counts:
    """`shown` suggestions, those `accepted`, those still there when the file was saved (`kept`),
    and the `characters` that were accepted."""

    shown: int = 0
    accepted: int = 0
    kept: int = 0
    characters: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def statistics_file() -> Path:
    """Return where they are kept."""
    configured = Path(os.environ.get("XDG_DATA_HOME", ""))
    base = configured if configured.is_absolute() else Path("~/.local/share").expanduser()
    return base / "m31r" / "statistics.sqlite"


def add(file: Path, day: date, counts: Counts) -> None:
    """Add `counts` to those of `day`. Raises M31RError, naming the file, when it cannot."""
    names = [field.name for field in fields(Counts)]
    columns = ", ".join(names)
    sums = ", ".join(f"{name} = {name} + excluded.{name}" for name in names)
    with _opened(file) as database:
        database.execute(
            f"INSERT INTO days (day, {columns}) VALUES (?, ?, ?, ?, ?) "
            f"ON CONFLICT (day) DO UPDATE SET {sums}",
            (day.isoformat(), *astuple(counts)),
        )


def read(file: Path) -> dict[date, Counts]:
    """Return the counts by day, the earliest first. Raises M31RError, naming the file."""
    if not file.exists():
        return {}
    with _opened(file) as database:
        rows = database.execute(
            "SELECT day, shown, accepted, kept, characters FROM days ORDER BY day"
        ).fetchall()
    return {date.fromisoformat(day): Counts(*counts) for day, *counts in rows}


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(file, timeout=_WAIT_S)) as database, database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS days (day TEXT PRIMARY KEY, shown INTEGER, "
                "accepted INTEGER, kept INTEGER, characters INTEGER)"
            )
            yield database
    except (OSError, sqlite3.Error) as error:
        raise M31RError(f"{file}: {error}") from error
