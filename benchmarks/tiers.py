"""Three steps of training, an int4 export and a completed line for every tier, and what they cost.

    python benchmarks/tiers.py --json tiers.json
    python benchmarks/tiers.py --tiers tier-l --threads 1 --folder /var/tmp

The models are whole; the run is a trial on a CPU (tests/train/small.py): a step is --rows rows of
256 tokens, and Muon does one iteration of its method where a real run does five. Training, export
and decoding are processes of their own, so that each has its own peak of memory. tier-l needs 22 GB
of memory and 14 GB of disk, which are freed at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._machine import machine
from tests.train.small import ROOT, small_dataset, trial

from m31r_core.bundle import load_bundle
from m31r_core.engine import Completer, CompletionRequest, Engine
from m31r_core.engine.session import Session

TIERS = ("nano", "base", "tier-s", "tier-m", "tier-l")
_PREFILL, _DECODED = 512, 16
_COMMAND = [sys.executable, "-m", "m31r_train.cli"]


@dataclass(frozen=True)
class Row:
    """One tier. Sizes are in MB of a million bytes; memory is the peak of resident memory."""

    tier: str
    parameters: int
    quant: str
    step_tokens: int
    step_s: float
    train_peak_mb: int
    checkpoint_mb: int
    state_mb: int
    export_s: float
    export_peak_mb: int
    bundle_mb: float
    load_s: float
    resident_mb: int
    prefill_ms: float
    token_ms: float
    completion: str


def main() -> int:
    arguments = _parser().parse_args()
    if arguments.engine:
        print(json.dumps(decode(arguments.engine, arguments.threads)))
        return 0
    rows = []
    for tier in arguments.tiers:
        with tempfile.TemporaryDirectory(prefix="m31r-tiers-", dir=arguments.folder) as folder:
            rows.append(measure(tier, Path(folder), arguments))
        _print(rows)
        if arguments.json:
            report = {"machine": machine(), "rows": [asdict(row) for row in rows], "ratios": {}}
            arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return 0


def measure(tier: str, folder: Path, arguments: argparse.Namespace) -> Row:
    """Train, export and decode one tier in `folder`."""
    dataset, output, bundle = small_dataset(folder / "data"), folder / "run", folder / "bundle"
    config = ROOT / f"configs/train/{tier}.toml"
    changes = trial(dataset, output, rows=arguments.rows, iterations=arguments.iterations)
    changes += ["--set", f"threads={arguments.threads}"]
    _, train_peak, _ = _run([*_COMMAND, "run", str(config), *changes])
    checkpoint = output / "step-000003"
    quant = ["--quant", arguments.quant]
    export_s, export_peak, _ = _run(
        [*_COMMAND, "export", str(checkpoint), "--out", str(bundle), *quant]
    )
    decoder = [sys.executable, __file__, "--engine", str(bundle)]
    _, _, answer = _run([*decoder, "--threads", str(arguments.threads)])
    run = json.loads((checkpoint / "m31r_run.json").read_text("utf-8"))
    return Row(
        tier=tier,
        parameters=run["parameters"],
        quant=arguments.quant,
        step_tokens=run["plan"]["batch_tokens"],
        step_s=_seconds_a_step(output / "log.jsonl"),
        train_peak_mb=train_peak,
        checkpoint_mb=_mb(checkpoint / "model.safetensors"),
        state_mb=_mb(checkpoint / "trainer.safetensors"),
        export_s=round(export_s, 1),
        export_peak_mb=export_peak,
        bundle_mb=round(sum(file.stat().st_size for file in bundle.iterdir()) / 1e6, 1),
        **json.loads(answer),
    )


def decode(path: Path, threads: int) -> dict[str, Any]:
    """Load a bundle, complete a line, and time a prefill of 512 tokens and tokens behind it."""
    begin = time.perf_counter()
    bundle = load_bundle(path)
    engine = Engine.load(bundle, threads=threads)
    completer = Completer(engine)
    load_s = time.perf_counter() - begin
    text = (ROOT / "examples/src/lib.rs").read_text("utf-8")
    cursor = text.index("(", text.index("fn ")) + 1
    request = CompletionRequest("src/lib.rs", text[:cursor], text[cursor:], max_new_tokens=16)
    completion = completer.complete(request)
    resident = psutil.Process().memory_info().rss
    session = Session(engine.graph)
    begin = time.perf_counter()
    session.forward(list(range(100, 100 + _PREFILL)), [_PREFILL - 1])
    prefill = time.perf_counter() - begin
    times = []
    for token in range(_DECODED):
        begin = time.perf_counter()
        session.forward([100 + token], [0])
        times.append(time.perf_counter() - begin)
    return {
        "load_s": round(load_s, 2),
        "resident_mb": round(resident / 1e6),
        "prefill_ms": round(prefill * 1e3, 1),
        "token_ms": round(statistics.median(times) * 1e3, 2),
        "completion": completion.text,
    }


def _run(command: list[str]) -> tuple[float, int, str]:
    """Return seconds, peak resident memory in MB and standard output of a process."""
    begin = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"failed with {process.returncode}: {' '.join(command)}")
    return time.perf_counter() - begin, round(usage.ru_maxrss * 1024 / 1e6), output


def _seconds_a_step(log: Path) -> float:
    """Return the shortest time between two logged steps; the first step also warms up."""
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    times: list[float] = [line["time"] for line in lines if "loss" in line]
    return round(min(b - a for a, b in pairwise(times)), 2)


def _mb(file: Path) -> int:
    return round(file.stat().st_size / 1e6)


def _print(rows: list[Row]) -> None:
    """Print a column for each tier."""
    table = Table("", *(row.tier for row in rows))
    columns = [asdict(row) for row in rows]
    for name in list(columns[0])[1:]:
        table.add_row(name, *(_shown(column[name]) for column in columns))
    Console().print(table)


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--tiers", nargs="+", choices=TIERS, default=TIERS[:3])
    parser.add_argument("--quant", choices=("int8", "int4"), default="int4")
    parser.add_argument("--rows", type=int, default=1, help="rows of 256 tokens in a step")
    parser.add_argument("--iterations", type=int, default=1, help="of Muon's method in a step")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--folder", type=Path, help="where the temporary files lie")
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--engine", type=Path, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
