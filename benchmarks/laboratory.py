"""Try mutants of real crates together and alone: how many a second, and whether both agree.

    M31R_SHARED=../shared python benchmarks/laboratory.py --dir /var/tmp/crates --json lab.json

The mutants are those of the pipeline's mutators, drawn with a fixed seed: of those with a scope,
and of all. A trial agrees when outcome, codes, messages, spans and rendered text are equal.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._machine import machine
from benchmarks.compile import crates_in, unpack
from tests.core.mutants import CRATES

from m31r_core.cargo.toolchain import find_toolchain
from m31r_data.compile.batch import Mutant
from m31r_data.compile.lab import Laboratory
from m31r_data.compile.verify import CrateFolder, crate_in, sandbox_for, verify_crate
from m31r_data.config import CompileConfig
from m31r_data.mutate.table import mutations


@dataclass(frozen=True)
class Row:
    """One crate. Rates are mutants a second, by wall time and by processor time of it and rustc.

    `runs` is how often rustc ran for the scoped mutants together. `audit` stands beside it.
    """

    crate: str
    bytes: int
    mutants: int
    scoped: int
    outcomes: dict[str, int]
    runs: int
    together: float
    together_cpu: float
    alone: float
    alone_cpu: float
    all_together: float
    disagreed: int


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--dir", type=Path, required=True, help="where the crates are unpacked")
    parser.add_argument("--mutants", type=int, default=200, help="how many of each crate")
    parser.add_argument("--crates", nargs="+", default=list(CRATES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the table here")
    args = parser.parse_args()
    # One core, as the rates say, for this process and all that it starts.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    unpack(args.dir)
    found = {crate.name: crate for crate in crates_in(args.dir)}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        for name in args.crates:
            rows.append(_measure(found[name], args.dir, Path(folder), args.mutants, args.seed))
    _show(rows)
    if args.json:
        report = {"machine": machine(), "crates": [asdict(row) for row in rows]}
        args.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def _measure(crate: CrateFolder, vendor: Path, work: Path, count: int, seed: int) -> Row:
    toolchain = find_toolchain()
    config = CompileConfig(enabled=True, vendor=vendor)
    sandbox = sandbox_for(config, toolchain)
    verdict = verify_crate(
        crate.name,
        crate.version,
        crate.folder,
        work=work,
        vendor=vendor,
        sandbox=sandbox,
        toolchain=toolchain,
        config=config,
    )
    texts = {path: (crate.folder / path).read_bytes() for path in verdict.files}
    pool = [
        Mutant(path, mutation)
        for path, text in texts.items()
        if path.endswith(".rs")
        for mutation in mutations(text)
    ]
    random.Random(seed).shuffle(pool)
    scoped = [mutant for mutant in pool if mutant.mutation.scope is not None][:count]
    lab = Laboratory(crate_in(crate, work=work, vendor=vendor), sandbox, toolchain, work / "lab")
    with lab:
        list(lab.try_mutants([]))
        lab.effort.runs = 0
        start, cpu = time.monotonic(), _cpu(lab)
        together = list(lab.try_mutants(scoped))
        together_s, runs = time.monotonic() - start, lab.effort.runs
        lab.close()
        together_cpu = _cpu(lab) - cpu
        start = time.monotonic()
        list(lab.try_mutants(pool[:count]))
        all_s = time.monotonic() - start
        lab.close()
        lab.size = 1
        list(lab.try_mutants([]))
        start, cpu = time.monotonic(), _cpu(lab)
        alone = list(lab.try_mutants(scoped))
        alone_s = time.monotonic() - start
        lab.close()
        alone_cpu = _cpu(lab) - cpu
    return Row(
        crate=crate.name,
        bytes=sum(map(len, texts.values())),
        mutants=len(pool),
        scoped=len(scoped),
        outcomes=dict(Counter(trial.outcome for trial in together)),
        runs=runs,
        together=round(len(scoped) / together_s, 1),
        together_cpu=round(len(scoped) / together_cpu, 1),
        alone=round(len(scoped) / alone_s, 1),
        alone_cpu=round(len(scoped) / alone_cpu, 1),
        all_together=round(min(count, len(pool)) / all_s, 1),
        disagreed=sum(a != b for a, b in zip(together, alone, strict=True)),
    )


def _cpu(lab: Laboratory) -> float:
    """Processor time of this process and of rustc."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime + lab.effort.rustc_s


def _show(rows: list[Row]) -> None:
    table = Table(*Row.__dataclass_fields__)
    for row in rows:
        table.add_row(*(str(value) for value in asdict(row).values()))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
