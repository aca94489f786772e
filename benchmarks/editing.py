"""A session of editing: how much of each prompt is in a KV cache already, and what memory does.

    python benchmarks/editing.py --events 2000 --json editing.json
    python benchmarks/editing.py --events 10000 --slots 4      # flat memory

A user is simulated, seeded, in two files: types lines that stand in them, makes and deletes
mistakes, goes to other places and back, changes the file, accepts what is shown. Every event asks
for a completion as the server does. With several --slots the same session is replayed with each.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._machine import machine

from m31r_core.bundle import Bundle, load_bundle, shipped_bundle
from m31r_core.engine import Completer, CompletionRequest, Engine
from m31r_core.engine.slots import Slots

ROOT = Path(__file__).parents[1]
FILES = (ROOT / "benchmarks/data/desk.rs", ROOT / "examples/src/lib.rs")
KINDS = ("type", "delete", "accept", "move", "return", "switch")
_FEW_TOKENS = 16
_MEMORY_EVERY = 500


@dataclass(frozen=True)
class Event:
    """What the user did, and the text around the cursor behind it."""

    kind: str
    path: str
    prefix: str
    suffix: str


@dataclass(frozen=True)
class Row:
    """Events of a kind: the share of prompt tokens that were cached, and of events with few new."""

    slots: int
    kind: str
    events: int
    reused: float
    few_new: float
    p50_ms: float
    p95_ms: float


def main() -> int:
    arguments = _parser().parse_args()
    bundle = load_bundle(arguments.model or shipped_bundle())
    rows: list[Row] = []
    memory: dict[int, list[float]] = {}
    for slots in arguments.slots:
        found, memory[slots] = replay(bundle, slots, arguments.events, arguments.seed)
        rows += found
    _print(rows, memory)
    if arguments.json:
        growth = {f"memory_growth_{n}": _growth(values) for n, values in memory.items()}
        report = {
            "machine": machine(),
            "rows": [asdict(row) for row in rows],
            "resident_mib": {str(n): values for n, values in memory.items()},
            "ratios": growth,
        }
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return 0


def replay(bundle: Bundle, slots: int, events: int, seed: int) -> tuple[list[Row], list[float]]:
    """Complete behind every event; return a row for each kind, and resident MiB as time goes by."""
    engine = Engine.load(bundle)
    engine.slots = Slots(engine.graph, slots)
    completer, session = Completer(engine), Session(random.Random(seed))
    # Packed, as what is measured is memory too: reused tokens, new ones, milliseconds.
    seen = {kind: array("f") for kind in (*KINDS, "all")}
    memory: list[float] = []
    accepted = ""
    for number in range(events):
        event = session.next(accepted)
        request = CompletionRequest(event.path, event.prefix, event.suffix)
        begin = time.perf_counter()
        answer = completer.complete(request)
        took = (time.perf_counter() - begin) * 1e3
        accepted = answer.text if answer.confidence > 0.5 else ""
        cost = answer.generation
        for kind in (event.kind, "all"):
            seen[kind].extend((cost.reused_tokens, cost.prefill_tokens, took))
        if number % _MEMORY_EVERY == _MEMORY_EVERY - 1:
            memory.append(round(psutil.Process().memory_info().rss / 2**20, 1))
    return [_row(slots, kind, values) for kind, values in seen.items() if values], memory


class Session:
    """A user. Each place is worked at for a while; half of the moves go back to an older one."""

    def __init__(self, chance: random.Random) -> None:
        """Open the files, with nothing changed."""
        self._chance = chance
        self._texts = {file.name: file.read_text("utf-8") for file in FILES}
        self._path = FILES[0].name
        self._places: dict[str, list[int]] = {file.name: [] for file in FILES}
        self._cursor = 0
        self._keys: Iterator[str] = iter(())
        self._mistake = 0
        self._go_to(self._anywhere())

    def next(self, shown: str) -> Event:
        """Do what the user does next, who sees the ghost text `shown`."""
        kind, roll = "type", self._chance.random()
        if self._mistake:
            kind, self._mistake = "delete", self._mistake - 1
            self._edit("", back=1)
        elif shown and roll < 0.15:
            kind = "accept"
            self._edit(shown)
        elif roll > 0.99:
            kind = "switch"
            self._path = next(name for name in self._texts if name != self._path)
            self._go_to(self._again() or self._anywhere())
        elif roll > 0.96:
            back = self._again() if self._chance.random() < 0.5 else None
            kind = "move" if back is None else "return"
            self._go_to(self._anywhere() if back is None else back)
        elif roll > 0.93:
            wrong = self._chance.choice(["x", "fo", "teh"])
            self._edit(wrong)
            self._mistake = len(wrong)
        else:
            key = next(self._keys, None)
            if key is None:
                self._go_to(self._cursor)
                key = next(self._keys)
            self._edit(key)
        text = self._texts[self._path]
        return Event(kind, f"src/{self._path}", text[: self._cursor], text[self._cursor :])

    def _edit(self, text: str, back: int = 0) -> None:
        whole = self._texts[self._path]
        before = whole[: self._cursor - back] + text
        places = self._places[self._path]
        moved = len(text) - back
        places[:] = [each + moved if each >= self._cursor else each for each in places]
        self._texts[self._path] = before + whole[self._cursor :]
        self._cursor = len(before)

    def _go_to(self, cursor: int) -> None:
        """Put the cursor there, about to type a line that stands somewhere in the file."""
        self._cursor = cursor
        self._places[self._path] = [*self._places[self._path][-6:], cursor]
        lines = self._texts[self._path].splitlines()
        line = self._chance.choice([line for line in lines if len(line.strip()) > 8])
        indent = line[: len(line) - len(line.lstrip())]
        self._keys = iter([*line.strip(), "\n" + indent])

    def _again(self) -> int | None:
        places = self._places[self._path][:-1]
        return self._chance.choice(places) if places else None

    def _anywhere(self) -> int:
        text = self._texts[self._path]
        return text.find("\n", self._chance.randrange(len(text) // 8, len(text) * 7 // 8)) + 1


def _row(slots: int, kind: str, values: array[float]) -> Row:
    reused, new, times = values[::3], values[1::3], sorted(values[2::3])
    few = sum(count <= _FEW_TOKENS for count in new)
    return Row(
        slots,
        kind,
        len(times),
        round(sum(reused) / (sum(reused) + sum(new)), 4),
        round(few / len(times), 4),
        round(statistics.median(times), 1),
        round(times[int(len(times) * 0.95)], 1),
    )


def _growth(memory: list[float]) -> float:
    """Return the last value over the one after a tenth, which is warm-up."""
    return round(memory[-1] / memory[len(memory) // 10], 4) if memory else 1.0


def _print(rows: list[Row], memory: dict[int, list[float]]) -> None:
    table = Table("slots", "", "events", "reused", f"at most {_FEW_TOKENS} new", "p50 ms", "p95 ms")
    for row in rows:
        table.add_row(
            str(row.slots),
            row.kind,
            str(row.events),
            f"{row.reused:.1%}",
            f"{row.few_new:.1%}",
            f"{row.p50_ms:.1f}",
            f"{row.p95_ms:.1f}",
        )
    console = Console()
    console.print(table)
    for slots, values in memory.items():
        shown = f"{values[0]} MiB first, {values[-1]} MiB last, " if values else ""
        console.print(f"{slots} slots: {shown}growth behind the warm-up x{_growth(values)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, metavar="DIR", help="default: what ships")
    parser.add_argument("--events", type=int, default=2000, metavar="N")
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 4], metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE")
    return parser


if __name__ == "__main__":
    sys.exit(main())
