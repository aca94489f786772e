"""`m31r-eval suites`: several runs in a row, as a file says, and the gate that they are.

folder = "../../eval/suites"     # where the tasks are, seen from this file
crates = "crates.tar.xz"         # in that folder

[[runs]]
name = "body"
suite = "check"
tasks = "body.jsonl.xz"
limit = 60
arguments = ["--beside", "copy"]
threshold = 0.05
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from m31r_core import cli
from m31r_core.bundle import find_bundle
from m31r_core.cargo.sandbox import SandboxError
from m31r_core.config import load_toml
from m31r_core.errors import ConfigError
from m31r_eval.commands.options import positive
from m31r_eval.comparing import compare
from m31r_eval.running import METRICS, RESULTS
from m31r_eval.tables import console, difference_table

_WITH_CRATES = ("check", "repair")
_RESAMPLES = 1_000


@dataclass(frozen=True)
class PlannedRun:
    """One run: the subcommand, its task file, what else is said to it, and the fall let pass."""

    name: str
    suite: Literal["complete", "check", "generate", "repair", "latency", "memory"]
    tasks: str
    limit: int | None = None
    arguments: tuple[str, ...] = ()
    threshold: float = 0.03


@dataclass(frozen=True)
class Plan:
    """What `m31r-eval suites` reads."""

    runs: tuple[PlannedRun, ...]
    folder: str = "."
    crates: str | None = None

    def __post_init__(self) -> None:
        names = [run.name for run in self.runs]
        if not names or len(names) != len(set(names)):
            raise ValueError("'runs' must be there, each with a name of its own")


def add(commands: cli.Commands[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    command = cli.add_command(
        commands,
        "suites",
        "Run every suite that a file lists; with --against, exit with 1 where one fell.",
        "m31r-eval suites configs/eval/gate.toml --out build/gate --against eval/gate",
        lambda arguments: _run(arguments, commands),
    )
    command.add_argument("plan", type=Path, metavar="PLAN.toml")
    command.add_argument("--model", metavar="DIR", help="default: the bundle that ships")
    command.add_argument("--out", type=Path, metavar="DIR", required=True)
    command.add_argument("--only", action="append", default=[], metavar="NAME")
    command.add_argument("--seed", type=int, default=0, metavar="S")
    command.add_argument("--workers", type=positive, metavar="N", help="default: one a core")
    command.add_argument("--against", type=Path, metavar="DIR", help="results to compare with")
    command.add_argument("--keep", type=Path, metavar="DIR", help="put the results there, to stay")


def _run(arguments: argparse.Namespace, commands: cli.Commands[argparse.ArgumentParser]) -> int:
    plan = load_toml(arguments.plan, Plan)
    unknown = set(arguments.only) - {run.name for run in plan.runs}
    if unknown:
        raise ConfigError(f"{arguments.plan}: no run is called {min(unknown)!r}")
    runs = [run for run in plan.runs if not arguments.only or run.name in arguments.only]
    worse: list[str] = []
    work = arguments.out / "work"
    for run in runs:
        out = arguments.out / run.name
        words = _words(run, plan, arguments, work)
        print(f"\n$ m31r-eval {run.suite} {shlex.join(words)}", flush=True)
        start = time.monotonic()
        parsed = commands.choices[run.suite].parse_args(words)
        try:
            parsed.handler(parsed)
        except SandboxError as error:
            # What was not run has not fallen; it is said, and the other runs go on.
            print(f"{run.name}: LEFT OUT: {error}", file=sys.stderr, flush=True)
            continue
        print(f"{run.name}: {time.monotonic() - start:.0f} s", flush=True)
        if arguments.keep:
            _keep(out, arguments.keep / run.name)
        if arguments.against and _fell(run, arguments, out):
            worse.append(run.name)
    shutil.rmtree(work, ignore_errors=True)
    if worse:
        print(f"worse than {arguments.against}: {', '.join(worse)}")
    return int(bool(worse))


def _keep(out: Path, kept: Path) -> None:
    """Write to `kept` what a comparison needs of a run: its metrics, and the numbers by task."""
    kept.mkdir(parents=True, exist_ok=True)
    shutil.copy(out / METRICS, kept / METRICS)
    lines = []
    for record in map(json.loads, (out / RESULTS).read_text(encoding="utf-8").splitlines()):
        numbers = {key: it for key, it in record.items() if isinstance(it, int | float)}
        lines.append(json.dumps({"id": record["id"], **numbers}) + "\n")
    (kept / RESULTS).write_text("".join(lines), encoding="utf-8")


def _words(run: PlannedRun, plan: Plan, arguments: argparse.Namespace, work: Path) -> list[str]:
    folder = arguments.plan.parent / plan.folder
    words = [str(_plain(folder / run.tasks)), "--out", str(arguments.out / run.name)]
    if arguments.model or run.suite == "repair":
        # Repairs are also searched for without a model; here they are the bundle's.
        words += ["--model", arguments.model or str(_plain(find_bundle()))]
    if run.limit is not None:
        words += ["--limit", str(run.limit)]
    words += ["--seed", str(arguments.seed)]
    if run.suite in ("complete", "check", "generate", "repair") and arguments.workers:
        words += ["--workers", str(arguments.workers)]
    if run.suite in _WITH_CRATES and plan.crates is not None:
        words += ["--crates", str(_plain(folder / plan.crates)), "--work", str(work)]
    return [*words, *run.arguments]


def _plain(path: Path) -> Path:
    """Return the path without the way there and back, relative where it lies below."""
    whole = path.resolve()
    here = Path.cwd()
    return whole.relative_to(here) if whole.is_relative_to(here) else whole


def _fell(run: PlannedRun, arguments: argparse.Namespace, out: Path) -> bool:
    differences = compare(
        arguments.against / run.name, out, resamples=_RESAMPLES, seed=arguments.seed
    )
    limits = {each.metric: run.threshold for each in differences}
    console().print(difference_table(differences, limits))
    return any(each.is_regression(run.threshold) for each in differences)
