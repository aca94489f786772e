"""Larger models on this machine, int8 and int4: what loading, prefill and decoding cost.

    python benchmarks/sizes.py --tiers base tier-s tier-m --json sizes.json

The weights are random: only quality depends on them. Each bundle is loaded in a process of its
own. Weights of 64 MB and more lie in a file that ONNX Runtime maps; `packed` says whether its
products may keep a copy of their own, in the order that the processor likes best.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._machine import machine

from m31r_core.bundle import Quant, load_bundle
from m31r_core.engine import Engine, default_threads
from m31r_core.engine.session import Session

ROOT = Path(__file__).parents[1]
TIERS = ("nano", "base", "tier-s", "tier-m")
QUANTS: tuple[Quant, ...] = ("int8", "int4")
_PREFILL, _STEPS = 512, 40


@dataclass(frozen=True)
class Row:
    """One bundle. Memory is resident: all of it, and what is not pages of files."""

    tier: str
    quant: str
    parameters: int
    bundle_mb: float
    load_s: float
    resident_mb: int
    own_mb: int
    prefill_ms: float
    step_ms: float
    step_of_eight_ms: float


def main() -> int:
    arguments = _parser().parse_args()
    if arguments.engine:
        print(json.dumps(measure(arguments.engine, arguments.threads)))
        return 0
    rows: list[Row] = []
    for tier in arguments.tiers:
        with tempfile.TemporaryDirectory(prefix="m31r-sizes-", dir=arguments.folder) as folder:
            rows += bundles(tier, Path(folder), arguments.threads)
        _print(rows)
        if arguments.json:
            report = {"machine": machine(), "rows": [asdict(row) for row in rows], "ratios": {}}
            arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return 0


def bundles(tier: str, folder: Path, threads: int) -> list[Row]:
    """Export random weights of a tier in every quantisation and measure each."""
    parameters = _checkpoint(tier, folder / "checkpoint")
    rows = []
    for quant in QUANTS:
        bundle = folder / quant
        command = [sys.executable, "-m", "m31r_train.cli", "export", str(folder / "checkpoint")]
        _output([*command, "--out", str(bundle), "--quant", quant])
        program = [sys.executable, __file__, "--threads", str(threads)]
        measured = json.loads(_output([*program, "--engine", str(bundle)]))
        size = sum(file.stat().st_size for file in bundle.iterdir()) / 1e6
        rows.append(Row(tier, quant, parameters, round(size, 1), **measured))
    return rows


def measure(path: Path, threads: int) -> dict[str, Any]:
    """Load a bundle; time a prefill of 512 tokens and steps of 1 and of 8 tokens behind it."""
    begin = time.perf_counter()
    engine = Engine.load(load_bundle(path), threads=threads)
    load_s = time.perf_counter() - begin
    session, ids = Session(engine.graph), list(range(100, 100 + _PREFILL))

    def prefill() -> None:
        session.rewind(0)
        session.prefill(ids)

    def step(tokens: int) -> None:
        session.rewind(_PREFILL)
        session.forward(ids[:tokens], range(tokens))

    prefill()
    prefill_ms = _median_ms(prefill, 3)
    steps = [_median_ms(lambda tokens=tokens: step(tokens), _STEPS) for tokens in (1, 8)]
    memory = psutil.Process().memory_full_info()
    return {
        "load_s": round(load_s, 2),
        "resident_mb": round(memory.rss / 1e6),
        "own_mb": round((memory.rss - memory.shared) / 1e6),
        "prefill_ms": round(prefill_ms, 1),
        "step_ms": round(steps[0], 2),
        "step_of_eight_ms": round(steps[1], 2),
    }


def _checkpoint(tier: str, out: Path) -> int:
    """Write random weights of a tier; return how many parameters they are."""
    program = (
        "import sys, torch\n"
        "from pathlib import Path\n"
        "from m31r_core.config import load_toml\n"
        "from m31r_core.model import Decoder, save_checkpoint\n"
        "from m31r_core.tokenizer import Tokenizer\n"
        "from m31r_train.config import TrainConfig\n"
        "config = load_toml(Path(sys.argv[1]), TrainConfig).model\n"
        "torch.manual_seed(0)\n"
        "state = Decoder(config).state_dict()\n"
        "save_checkpoint(Path(sys.argv[2]), state, config, Tokenizer.load(Path(sys.argv[3])))\n"
        "print(config.parameters)\n"
    )
    files = ROOT / f"configs/train/{tier}.toml", out, ROOT / "configs/data/tokenizer-8k.json"
    return int(_output([sys.executable, "-c", program, *map(str, files)]))


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, cwd=ROOT, text=True, stdout=subprocess.PIPE).stdout


def _median_ms(action: Any, count: int) -> float:
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        action()
        times.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(times)


def _print(rows: list[Row]) -> None:
    table = Table(*Row.__dataclass_fields__)
    for row in rows:
        table.add_row(
            *(
                f"{value:,}" if isinstance(value, int) else str(value)
                for value in asdict(row).values()
            )
        )
    Console(width=160).print(table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiers", nargs="+", choices=TIERS, default=TIERS[1:])
    parser.add_argument("--threads", type=int, default=default_threads())
    parser.add_argument("--folder", type=Path, help="where the temporary files lie")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE")
    parser.add_argument("--engine", type=Path, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
