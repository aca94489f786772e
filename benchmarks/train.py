"""Training speed: m31r-train beside the Trainer of transformers, on the same model and rows.

    python benchmarks/train.py --json train.json
    python benchmarks/train.py --dataset datasets/rust-permissive --threads 1

Both train the model of --config (nano) from random weights, on the same batches, made beforehand.
Each side is a process, started and warmed up before anything is measured; then they take turns.
transformers runs six ways: its autocast to bfloat16, a model in bfloat16 or in float32, compiled or
not, all with fused AdamW. With `--set dtype=float32`, ours computes in float32. The ratios compare
with its fastest, and with the machine's best product of two matrices, measured beside every turn
of ours.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._machine import machine
from benchmarks._trainers import train_ours, train_theirs
from tests.train.small import ROOT, small_dataset

from m31r_core.config import load_toml
from m31r_core.shards import TOKENIZER
from m31r_core.tokenizer import Tokenizer
from m31r_train.config import TrainConfig
from m31r_train.mixture import open_rows

OURS = "m31r-train"
THEIRS = tuple(
    f"{way}{compiled}"
    for compiled in ("-compiled", "")
    for way in ("autocast", "bfloat16", "float32")
)
_WARM_STEPS = 3

Times = dict[str, float]


@dataclass(frozen=True)
class Row:
    """One side: medians over its turns, all tokens of the rows counted, padding too.

    `cpu_s` is processor time of a step over the number of threads, which tells more than wall time
    where the machine has other work. `warm_s` is what the first three steps took.
    """

    side: str
    tokens_per_s: int
    step_s: float
    cpu_s: float
    warm_s: float


def main() -> int:
    arguments = _parser().parse_args()
    if missing := [x for x in ("transformers", "accelerate") if not importlib.util.find_spec(x)]:
        raise SystemExit(f"benchmarks/train.py: install {' and '.join(missing)}")
    with tempfile.TemporaryDirectory(prefix="m31r-train-") as folder:
        config = _config(arguments, Path(folder))
        save_rows(config, Path(folder) / "rows.npz", arguments.batches)
        rows, peaks, loads = measure(config, Path(folder), arguments)
    report = {
        "machine": machine(),
        "threads": arguments.threads,
        "dtype": config.dtype,
        "batch_tokens": config.plan.batch_tokens,
        "load": loads,
        "gemm_gflops": {side: round(rate / 1e9, 1) for side, rate in peaks.items()},
        "rows": [asdict(row) for row in rows],
        "ratios": ratios(config, rows, max(peaks.values())),
    }
    _print(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return 0


def measure(
    config: TrainConfig, folder: Path, arguments: argparse.Namespace
) -> tuple[list[Row], dict[int, float], list[float]]:
    """Let the sides take turns; return a row for each, the products' best rates, and the loads."""
    sides = [Side(name, config, folder) for name in (OURS, *arguments.theirs)]
    peaks: dict[int, float] = {}
    loads = []
    for turn in range(arguments.rounds):
        for side in sides if turn % 2 == 0 else sides[::-1]:
            side.take_turn(arguments.steps)
            if side.name == OURS:
                peaks = {n: max(rate, peaks.get(n, 0.0)) for n, rate in side.peaks().items()}
        loads.append(round(os.getloadavg()[0], 2))
    for side in sides:
        side.close()
    return [side.row(config) for side in sides], peaks, loads


def ratios(config: TrainConfig, rows: list[Row], peak: float) -> dict[str, float]:
    """Return utilisation, and tokens/s over those of the fastest of transformers.

    Each by wall time and by processor time.
    """
    ours, *theirs = rows
    flops = config.model.flops_per_token(config.loader.sequence) * config.plan.batch_tokens
    return {
        "mfu": round(flops / ours.step_s / peak, 3),
        "mfu_by_cpu_time": round(flops / ours.cpu_s / peak, 3),
        "vs_transformers": round(min(row.step_s for row in theirs) / ours.step_s, 2),
        "vs_transformers_by_cpu_time": round(min(row.cpu_s for row in theirs) / ours.cpu_s, 2),
    }


class Side:
    """A process that trains when it is told to."""

    def __init__(self, name: str, config: TrainConfig, folder: Path) -> None:
        """Start it, and wait until it has done its first steps."""
        self.name, self._threads = name, config.threads
        self._turns: list[Times] = []
        context = multiprocessing.get_context("spawn")
        self._pipe, end = context.Pipe()
        run = train_ours if name == OURS else train_theirs
        self._process = context.Process(target=run, args=(end, name, config, folder), daemon=True)
        self._process.start()
        end.close()
        self._warm_s = self._ask(_WARM_STEPS)["wall"] * _WARM_STEPS
        print(f"{name}: ready, {self._warm_s:.0f} s for {_WARM_STEPS} steps", file=sys.stderr)

    def take_turn(self, steps: int) -> None:
        """Let it do `steps` steps, and keep how long one took."""
        self._turns.append(self._ask(steps))

    def peaks(self) -> dict[int, float]:
        """Measure matrix products in its process: FLOP/s by side of the matrices."""
        self._pipe.send("peaks")
        return dict(self._pipe.recv())

    def row(self, config: TrainConfig) -> Row:
        """Return the medians of its turns."""
        wall = statistics.median(turn["wall"] for turn in self._turns)
        cpu = statistics.median(turn["cpu"] for turn in self._turns) / self._threads
        tokens = round(config.plan.batch_tokens / wall)
        return Row(self.name, tokens, round(wall, 3), round(cpu, 3), round(self._warm_s, 1))

    def close(self) -> None:
        """End the process."""
        self._pipe.send("end")
        self._process.join()

    def _ask(self, steps: int) -> Times:
        self._pipe.send(steps)
        try:
            return dict(self._pipe.recv())
        except (EOFError, ConnectionError):
            raise SystemExit(f"benchmarks/train.py: the process of {self.name} ended") from None


def save_rows(config: TrainConfig, file: Path, batches: int) -> None:
    """Write `batches` batches of the training split, as the run would see them."""
    tokenizer = Tokenizer.load(config.dataset / TOKENIZER)
    rows = open_rows(config.dataset, "train", tokenizer, config.loader, config.seed)
    batch = rows.batch(0, batches * config.plan.batch_tokens // config.loader.sequence)
    np.savez(file, inputs=batch.inputs, targets=batch.targets, weights=batch.weights)


def _config(arguments: argparse.Namespace, folder: Path) -> TrainConfig:
    """Read --config, with the dataset, device and threads of this run."""
    dataset = arguments.dataset or small_dataset(folder / "data")
    config = load_toml(arguments.config, TrainConfig, arguments.set)
    return replace(
        config,
        dataset=dataset,
        output=folder / "run",
        device=arguments.device,
        threads=arguments.threads,
        start_from=None,
        # One process a side: with one thread more, the loader's would take from the step's.
        loader_workers=0,
    )


def _print(report: dict[str, Any]) -> None:
    table = Table("side", "tokens/s", "step s", "cpu s", "first steps s")
    for row in report["rows"]:
        table.add_row(*(f"{v:,}" if isinstance(v, int) else str(v) for v in row.values()))
    Console().print(table)
    sizes = ", ".join(f"{rate} (side {n})" for n, rate in report["gemm_gflops"].items())
    print(f"{report['dtype']} products, GFLOP/s: {sizes}; {report['threads']} threads")
    print("; ".join(f"{name} {value}" for name, value in report["ratios"].items()))


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--config", type=Path, default=ROOT / "configs/train/nano.toml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--dataset", type=Path, help="default: made of examples/, for nano")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--theirs", nargs="+", choices=THEIRS, default=list(THEIRS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3, help="of each side in a round")
    parser.add_argument("--batches", type=int, default=4, help="made beforehand, then repeated")
    return parser


if __name__ == "__main__":
    sys.exit(main())
