"""Judge mutants of five real crates with rustc called directly and with plain cargo check.

    M31R_SHARED=../shared python benchmarks/check.py --json check.json

Every mutant is one small edit. Both sides say which errors are new; they have to agree.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._machine import machine
from tests.core.mutants import ARCHIVE, CRATES, PlainCargo, crate_of, mutants, unpack

from m31r_core.cargo import Deadline, Workspace
from m31r_core.cargo.compiler import compare
from m31r_core.cargo.full import Targets

BUDGET_MS = {"itoa": 120, "semver": 120, "indexmap": 250, "regex-syntax": 600}
DEADLINE_S = 120.0


@dataclass(frozen=True)
class Row:
    """One crate. Times are medians over its mutants; `cold_s` is the first snapshot.

    `*_cpu_ms` is processor time of both processes, ours and rustc's, which tells more than wall
    time where the machine has other work.
    """

    crate: str
    lines: int
    mutants: int
    failing: int
    cold_s: float
    fast_ms: float
    fast_p95_ms: float
    fast_cpu_ms: float
    cargo_ms: float
    cargo_cpu_ms: float
    budget_ms: int | None
    asked_cargo: int
    mismatches: tuple[str, ...]


def main() -> int:
    arguments = _parser().parse_args()
    if not ARCHIVE.is_file():
        print(f"check.py: skipped, {ARCHIVE} is not there; M31R_SHARED names its folder")
        return 0
    share, more = divmod(arguments.mutants, len(arguments.crates))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["CARGO_HOME"] = str(unpack(folder))
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        rows = [
            measure(crate, folder, share + (number < more), arguments.seed, arguments.targets)
            for number, crate in enumerate(arguments.crates)
        ]
    _print(rows)
    if arguments.json:
        ratios = {row.crate: round(row.fast_ms / row.cargo_ms, 3) for row in rows}
        report = {
            "machine": machine(),
            "targets": arguments.targets,
            "rows": [asdict(row) for row in rows],
            "ratios": ratios,
        }
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return int(any(row.mismatches for row in rows))


def measure(name: str, folder: Path, count: int, seed: int, targets: Targets) -> Row:
    """Judge `count` mutants of one crate on both sides, one after the other."""
    crate = crate_of(name, Path(os.environ["CARGO_HOME"]), folder / name)
    copy = shutil.copytree(crate, folder / f"{name}-plain")
    cargo = PlainCargo(copy, folder / "plain-target" / name, targets)
    workspace = Workspace(crate, targets=targets)
    begin = time.perf_counter()
    snapshot = workspace.snapshot({}, Deadline(DEADLINE_S))
    cold_s = time.perf_counter() - begin
    before = cargo.errors({})
    chosen = mutants(crate, count, seed)
    snapshot.check({chosen[0].path: chosen[0].text + b"\n// warm\n"}, Deadline(DEADLINE_S))
    fast: list[tuple[float, float]] = []
    plain: list[tuple[float, float]] = []
    asked = failing = 0
    mismatches: list[str] = []
    for mutant in track(chosen, f"{name}", console=Console(stderr=True)):
        changes = {mutant.path: mutant.text}
        asked += bool(snapshot.why_cargo(changes))
        start = _clocks()
        verdict = snapshot.check(changes, Deadline(DEADLINE_S))
        fast.append(_since(start))
        start = _clocks()
        after = cargo.errors(changes)
        plain.append(_since(start))
        truth = compare(before, after, 0)
        failing += not truth.passed
        ours, theirs = ({error.identity for error in v.new} for v in (verdict, truth))
        if ours != theirs:
            mismatches.append(f"{mutant.kind} {mutant.path}: {sorted(ours ^ theirs)}")
    workspace.close()
    sources = (crate / "src").rglob("*.rs")
    return Row(
        crate=name,
        lines=sum(file.read_bytes().count(b"\n") for file in sources),
        mutants=len(chosen),
        failing=failing,
        cold_s=round(cold_s, 2),
        fast_ms=_median(fast, 0),
        fast_p95_ms=round(sorted(fast)[int(0.95 * len(fast))][0], 1),
        fast_cpu_ms=_median(fast, 1),
        cargo_ms=_median(plain, 0),
        cargo_cpu_ms=_median(plain, 1),
        budget_ms=BUDGET_MS.get(name),
        asked_cargo=asked,
        mismatches=tuple(mismatches),
    )


def _clocks() -> tuple[float, float]:
    """Wall time and processor time of this process and those it waited for, in ms."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.perf_counter() * 1e3, sum(it.ru_utime + it.ru_stime for it in used) * 1e3


def _since(start: tuple[float, float]) -> tuple[float, float]:
    now = _clocks()
    return now[0] - start[0], now[1] - start[1]


def _median(times: list[tuple[float, float]], which: int) -> float:
    return round(statistics.median(time[which] for time in times), 1)


def _print(rows: list[Row]) -> None:
    columns = ("crate", "lines", "fail", "cold s", "ms", "p95", "most", "cpu", "cargo", "cpu")
    table = Table(*columns, "differ")
    for row in rows:
        over = row.budget_ms is not None and row.fast_ms > row.budget_ms
        fast = f"[red]{row.fast_ms}[/]" if over else f"{row.fast_ms}"
        first = (row.crate, row.lines, f"{row.failing}/{row.mutants}", row.cold_s, fast)
        second = (row.fast_p95_ms, row.budget_ms or "", row.fast_cpu_ms)
        third = (row.cargo_ms, row.cargo_cpu_ms, len(row.mismatches))
        table.add_row(*map(str, (*first, *second, *third)))
    Console().print(table)
    for row in rows:
        for line in row.mismatches:
            print(f"{row.crate}: {line}")


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--mutants", type=int, default=500, help="of all crates together (500)")
    parser.add_argument("--seed", type=int, default=0, help="chooses the mutants (0)")
    parser.add_argument(
        "--targets",
        default="default",
        choices=["default", "all"],
        help="what both sides check: plain cargo check's targets, or tests too (default)",
    )
    parser.add_argument("--crates", nargs="+", default=list(CRATES), choices=CRATES)
    return parser


if __name__ == "__main__":
    sys.exit(main())
