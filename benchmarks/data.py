"""How the data pipeline grows: time and memory up to deduplication, at inputs of several sizes.

    M31R_SHARED=../shared python benchmarks/data.py --json data.json
    python benchmarks/data.py --sizes 0.05 0.1        # GB; for a look

Every size is one `m31r-train data build … --until dedup` on packs made for it, from nothing, with
two workers. The packs of 4 GB and what is made of them take 9 GB of disk, freed after each size.
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
import psutil
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._machine import machine
from tests.data.dedup.packs import CORPUS, Written, write_packs

MAX_EXPONENT, MAX_MEMORY_GROWTH, MAX_MEMORY_MB = 1.05, 1.10, 1_000
MIN_LINES_PER_S = 100_000
_POLL_S = 0.05


@dataclass(frozen=True)
class Row:
    """One size. `peak_mb` is of the largest process at its largest, files it maps included.

    `cpu_s` is processor time of all processes: where the machine has other work, it tells more.
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
    peak_mb: float
    work_mb: int


def main() -> int:
    arguments = _parser().parse_args()
    if arguments.dir:
        arguments.dir.mkdir(parents=True, exist_ok=True)
    rows = [measure(size, arguments) for size in arguments.sizes]
    ratios = compare(rows)
    _print(rows, ratios)
    if arguments.json:
        report = {
            "machine": machine(),
            "workers": arguments.workers,
            "of": "frozen corpus" if CORPUS.is_file() else "generated",
            "rows": [asdict(row) for row in rows],
            "ratios": ratios,
        }
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return 0


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
        seconds, peak = build(folder, packs, arguments.workers)
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
            peak_mb=round(peak / 1e6, 1),
            work_mb=round(_size(folder / "work") / 1e6),
        )


def build(folder: Path, packs: Path, workers: int) -> tuple[float, int]:
    """Run the pipeline up to deduplication; return seconds and bytes of the largest process."""
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
    peak = 0
    while process.poll() is None:
        peak = max(peak, _largest(process.pid))
        time.sleep(_POLL_S)
    seconds = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(f"data.py: m31r-train data build ended with {process.returncode}")
    return seconds, peak


def _cpu_s() -> float:
    """Return the processor time of all processes that ended below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _largest(pid: int) -> int:
    """Return the highest resident size so far, in bytes, of any process from `pid` down."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return max(_peak(member.pid) for member in family)


def _peak(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return 0
    lines = (line.split() for line in status.splitlines() if line.startswith("VmHWM:"))
    return next((int(line[1]) * 1024 for line in lines), 0)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def compare(rows: list[Row]) -> dict[str, float]:
    """Return how time and memory grow; an exponent is the slope of log time over log lines."""
    ratios = {
        "memory_growth": max(row.peak_mb for row in rows) / min(row.peak_mb for row in rows),
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
    table = Table(*columns, "peak MB", "work MB")
    for row in rows:
        table.add_row(*(f"{value:,}" for value in asdict(row).values()))
    Console(width=110).print(table)
    if "exponent" in ratios:
        print(f"time grows with exponent {ratios['exponent']} (at most {MAX_EXPONENT})")
        print(f"processor time grows with exponent {ratios['cpu_exponent']}")
    print(f"memory grows by {ratios['memory_growth']} (at most {MAX_MEMORY_GROWTH})")
    largest = max(row.peak_mb for row in rows)
    print(f"largest process {largest} MB (under {MAX_MEMORY_MB})")
    print(f"{ratios['lines_per_s']:,.0f} lines/s at the least ({MIN_LINES_PER_S:,})")


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--sizes", type=float, nargs="+", default=[0.5, 1, 2, 4], metavar="GB")
    parser.add_argument("--workers", type=int, default=2, help="of the build (2)")
    parser.add_argument("--seed", type=int, default=0, help="chooses what is copied (0)")
    parser.add_argument("--dir", type=Path, help="where the packs and the build go, and leave")
    return parser


if __name__ == "__main__":
    sys.exit(main())
