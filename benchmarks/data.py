"""How the data pipeline grows: time and memory up to deduplication, at inputs of several sizes.

    M31R_SHARED=../shared python benchmarks/data.py --json data.json
    python benchmarks/data.py --sizes 0.05 0.1        # GB; for a look
    python benchmarks/data.py --sizes 4 --with data.json --json all.json   # beside earlier rows

Every size is one `m31r-train data build … --until dedup` on packs made for it, from nothing, with
two workers. The packs of 4 GB and what is made of them take 9 GB of disk, freed after each size.

Memory is that of the largest process, in each stage. *Resident* counts the pages of files that it
has mapped, which are the kernel's cache and given back when others need the room; it is exact
(VmHWM, reset at each stage). *Own* is what only the process can give back (RssAnon and RssShmem),
looked at 50 times a second.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._machine import machine
from benchmarks._memory import Memory, watch
from tests.data.dedup.packs import CORPUS, Written, write_packs

MAX_EXPONENT, MAX_MEMORY_GROWTH, MAX_MEMORY_MB = 1.05, 1.10, 1_000
MIN_LINES_PER_S = 100_000


@dataclass(frozen=True)
class Row:
    """One size. `cpu_s` is processor time of all processes: beside other work, it tells more.

    `own_mb` and `peak_mb` are of the process that had the most at any time, without and with the
    files that it maps; `stages` holds both for each stage, and whether the process was a worker.
    """

    gb: float
    documents: int
    lines: int
    planted: int
    dropped: int
    seconds: float
    cpu_s: float
    lines_per_s: int
    mb_per_s: float
    own_mb: float
    peak_mb: float
    work_mb: int
    stages: dict[str, dict[str, float | str]]


def main() -> int:
    arguments = _parser().parse_args()
    if arguments.dir:
        arguments.dir.mkdir(parents=True, exist_ok=True)
    rows = _earlier(arguments.earlier) if arguments.earlier else []
    rows = [row for row in rows if row.gb not in arguments.sizes]
    for size in arguments.sizes:
        rows = sorted([*rows, measure(size, arguments)], key=lambda row: row.gb)
        if arguments.json:
            _write(arguments.json, rows, arguments.workers)
    _print(rows, compare(rows))
    return 0


def _write(path: Path, rows: list[Row], workers: int) -> None:
    report = {
        "machine": machine(),
        "workers": workers,
        "of": "frozen corpus" if CORPUS.is_file() else "generated",
        "rows": [asdict(row) for row in rows],
        "ratios": compare(rows),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def _earlier(path: Path) -> list[Row]:
    return [Row(**row) for row in json.loads(path.read_text("utf-8"))["rows"]]


def measure(gigabytes: float, arguments: argparse.Namespace) -> Row:
    """Make packs of that size, build from them, and take everything away again."""
    with tempfile.TemporaryDirectory(prefix="m31r-data-", dir=arguments.dir) as name:
        folder = Path(name)
        packs = folder / "packs"
        packs.mkdir()
        # In a process of its own: one starts with the peak memory of its parent.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            size = int(gigabytes * 1e9)
            written: Written = pool.apply(write_packs, (packs, size, arguments.seed))
        used = _cpu_s()
        seconds, memory = build(folder, packs, arguments.workers)
        (decided,) = (folder / "work").rglob("duplicates.npy")
        return Row(
            gb=gigabytes,
            documents=written.documents,
            lines=written.lines,
            planted=written.planted,
            dropped=len(np.load(decided)),
            seconds=round(seconds, 2),
            cpu_s=round(_cpu_s() - used, 1),
            lines_per_s=round(written.lines / seconds),
            mb_per_s=round(written.bytes / 1e6 / seconds, 2),
            own_mb=max(_mb(stage.own) for stage in memory.values()),
            peak_mb=max(_mb(stage.resident) for stage in memory.values()),
            work_mb=round(_size(folder / "work") / 1e6),
            stages={
                name: {
                    "own_mb": _mb(stage.own),
                    "peak_mb": _mb(stage.resident),
                    "process": stage.process,
                }
                for name, stage in memory.items()
            },
        )


def build(folder: Path, packs: Path, workers: int) -> tuple[float, dict[str, Memory]]:
    """Run the pipeline up to deduplication; return seconds, and memory by stage."""
    config = folder / "data.toml"
    config.write_text(
        f'output = "{folder / "out"}"\nwork = "{folder / "work"}"\n'
        f'tokenizer_file = "{folder / "none.json"}"\n'
        f'[[sources]]\npath = "{packs}"\nkind = "pack"\n'
        '[filters]\nskip_packages = ["web-sys", "stm32f4"]\n',
        encoding="utf-8",
    )
    code = "import sys; from m31r_train.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "data", "build", str(config)]
    command += ["--workers", str(workers), "--until", "dedup"]
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    memory = watch(process, folder / "work" / "journal.jsonl")
    seconds = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(f"data.py: m31r-train data build ended with {process.returncode}")
    return seconds, memory


def _cpu_s() -> float:
    """Return the processor time of all processes that ended below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _mb(size: int) -> float:
    return round(size / 1e6, 1)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def compare(rows: list[Row]) -> dict[str, float]:
    """Return how time and memory grow; an exponent is the slope of log time over log lines."""
    own, peak = [row.own_mb for row in rows], [row.peak_mb for row in rows]
    ratios = {
        "memory_growth": max(own) / min(own),
        "resident_growth": max(peak) / min(peak),
        "lines_per_s": min(row.lines_per_s for row in rows),
    }
    if len(rows) > 1:
        lines = np.log([row.lines for row in rows])
        times = {"exponent": "seconds", "cpu_exponent": "cpu_s"}
        for name, column in times.items():
            seconds = np.log([getattr(row, column) for row in rows])
            ratios[name] = float(np.polyfit(lines, seconds, 1)[0])
    return {name: round(value, 3) for name, value in sorted(ratios.items())}


def _print(rows: list[Row], ratios: dict[str, float]) -> None:
    columns = ("GB", "documents", "lines", "planted", "dropped", "s", "cpu s", "lines/s", "MB/s")
    table = Table(*columns, "own MB", "peak MB", "work MB")
    for row in rows:
        table.add_row(*(f"{value:,}" for value in list(asdict(row).values())[:-1]))
    stages = Table("own (resident) MB", *rows[-1].stages)
    for row in rows:
        cells = (f"{s['own_mb']} ({s['peak_mb']}) {s['process']}" for s in row.stages.values())
        stages.add_row(f"{row.gb} GB", *cells)
    Console(width=120).print(table, stages)
    if "exponent" in ratios:
        print(f"time grows with exponent {ratios['exponent']} (at most {MAX_EXPONENT})")
        print(f"processor time grows with exponent {ratios['cpu_exponent']}")
    print(f"memory grows by {ratios['memory_growth']} (at most {MAX_MEMORY_GROWTH})")
    print(f"with the files that are mapped, by {ratios['resident_growth']}")
    largest = max(row.own_mb for row in rows)
    print(f"largest process {largest} MB (under {MAX_MEMORY_MB})")
    print(f"{ratios['lines_per_s']:,.0f} lines/s at the least ({MIN_LINES_PER_S:,})")


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument(
        "--with", type=Path, metavar="FILE", dest="earlier", help="compare with the rows there"
    )
    parser.add_argument("--sizes", type=float, nargs="+", default=[0.5, 1, 2, 4], metavar="GB")
    parser.add_argument("--workers", type=int, default=2, help="of the build (2)")
    parser.add_argument("--seed", type=int, default=0, help="chooses what is copied (0)")
    parser.add_argument("--dir", type=Path, help="where the packs and the build go, and leave")
    return parser


if __name__ == "__main__":
    sys.exit(main())
