"""Check every crate of a directory source in the sandbox, and count the verdicts.

    M31R_SHARED=../shared python benchmarks/compile.py --dir /var/tmp/crates --json compile.json

The frozen crates are unpacked into --dir unless they are there, and --work keeps what is built for
the laboratory of mutants. Workers are processes; each checks one crate at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tarfile
import time
import tomllib
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._machine import machine

from m31r_core.cargo.sandbox import Sandbox
from m31r_core.cargo.toolchain import Toolchain, find_toolchain
from m31r_data.compile.verify import CrateFolder, CrateVerdict, sandbox_for, verify_crate
from m31r_data.config import CompileConfig

SHARED = Path(os.environ.get("M31R_SHARED", Path(__file__).parents[2] / "shared"))
ARCHIVE = SHARED / "crates" / "debian-sid-2026-10-30.tar.xz"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--dir", type=Path, required=True, help="where the crates are unpacked")
    parser.add_argument("--work", type=Path, required=True, help="where they are checked")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--limit", type=int, help="only so many crates, spread over all")
    parser.add_argument("--json", type=Path, help="write the verdicts here")
    args = parser.parse_args()
    unpack(args.dir)
    crates = crates_in(args.dir)
    if args.limit:
        crates = crates[:: max(1, len(crates) // args.limit)][: args.limit]
    config = CompileConfig(enabled=True, vendor=args.dir)
    toolchain = find_toolchain()
    sandbox = sandbox_for(config, toolchain)
    args.work.mkdir(parents=True, exist_ok=True)
    check = partial(_check, args.dir, args.work, sandbox, toolchain, config)
    start = time.monotonic()
    with ProcessPoolExecutor(args.workers) as pool:
        verdicts = list(track(pool.map(check, crates), "Checking", len(crates)))
    wall = time.monotonic() - start
    report = summary(crates, verdicts) | {
        "workers": args.workers,
        "wall_s": round(wall, 1),
        "machine": machine(),
        "rustc": toolchain.version,
    }
    _show(report)
    if args.json:
        args.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")


def unpack(folder: Path) -> None:
    """Unpack the frozen crates, readable by all, unless the folder is there."""
    if folder.is_dir() and any(folder.iterdir()):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def crates_in(folder: Path) -> list[CrateFolder]:
    """Return the crates of a directory source, in order of their folders' names."""
    found = []
    for manifest in sorted(folder.glob("*/Cargo.toml")):
        package = tomllib.loads(manifest.read_text("utf-8"))["package"]
        found.append(CrateFolder(package["name"], package["version"], manifest.parent))
    return found


def summary(crates: list[CrateFolder], verdicts: list[CrateVerdict]) -> dict[str, object]:
    """Count by verdict and by why; times are those of one crate, in seconds."""
    seconds = sorted(verdict.seconds for verdict in verdicts)
    return {
        "crates": len(crates),
        "verdicts": dict(Counter(verdict.compiles for verdict in verdicts)),
        "files": sum(len(verdict.files) for verdict in verdicts if verdict.compiles == "yes"),
        "why": dict(Counter(v.why for v in verdicts if v.why).most_common()),
        "median_s": round(statistics.median(seconds), 2),
        "p90_s": round(seconds[int(0.9 * (len(seconds) - 1))], 2),
        "sum_s": round(sum(seconds), 1),
        "each": [
            {
                "name": crate.name,
                "version": crate.version,
                "compiles": verdict.compiles,
                "why": verdict.why,
                "files": len(verdict.files),
                "seconds": round(verdict.seconds, 2),
            }
            for crate, verdict in zip(crates, verdicts, strict=True)
        ],
    }


def _check(
    vendor: Path,
    work: Path,
    sandbox: Sandbox,
    toolchain: Toolchain,
    config: CompileConfig,
    crate: CrateFolder,
) -> CrateVerdict:
    return verify_crate(
        crate.name,
        crate.version,
        crate.folder,
        work=work,
        vendor=vendor,
        sandbox=sandbox,
        toolchain=toolchain,
        config=config,
    )


def _show(report: dict[str, object]) -> None:
    table = Table("verdict", "crates", "for example")
    each = report["each"]
    assert isinstance(each, list)
    rows: dict[tuple[str, str], list[str]] = {}
    for found in each:
        rows.setdefault((found["compiles"], found["why"]), []).append(found["name"])
    for (verdict, why), names in sorted(rows.items(), key=lambda row: -len(row[1])):
        table.add_row(f"{verdict} {why}", str(len(names)), ", ".join(names[:3]))
    console = Console()
    console.print(table)
    left_out = {name: value for name, value in report.items() if name not in ("each", "why")}
    console.print_json(json.dumps(left_out))


if __name__ == "__main__":
    main()
