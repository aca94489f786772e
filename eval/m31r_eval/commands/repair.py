"""`m31r-eval repair`."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path

from m31r_core import cli
from m31r_core.cargo.sandbox import Limits, find_sandbox
from m31r_core.cargo.toolchain import find_toolchain
from m31r_core.errors import ConfigError
from m31r_core.repair.search import RepairLimits
from m31r_eval.commands.options import (
    add_crates,
    add_only,
    add_run,
    changed,
    chosen_tasks,
    crate_pool,
    positive,
    settings_of,
    workers_of,
)
from m31r_eval.models import identify, parse_model
from m31r_eval.repair_running import run_repairs
from m31r_eval.repair_tasks import read_repair_tasks
from m31r_eval.repairing import RepairSetup
from m31r_eval.running import METRICS
from m31r_eval.tables import console, repair_table, source_table


def add(commands: cli.Commands[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    command = cli.add_command(
        commands,
        "repair",
        "Repair programs that do not compile, beside rustc's suggestions alone.",
        "m31r-eval repair tasks.jsonl --out runs/repair --limit 20",
        _run,
    )
    add_run(command, models=False)
    command.add_argument(
        "--model",
        metavar="MODEL",
        help="rank and propose with a bundle; or reference, empty; default: no model",
    )
    add_crates(command)
    add_only(command)
    command.add_argument("--seconds", type=positive, metavar="N", help="for one task; default: 10")
    command.add_argument("--checks", type=positive, metavar="N", help="for one task; default: 200")
    command.add_argument(
        "--without-sandbox",
        action="store_true",
        help="run the tasks with limits only where bubblewrap is missing; for tasks that you trust",
    )


def _run(arguments: argparse.Namespace) -> None:
    settings = settings_of(arguments)
    repair = changed(settings.repair, seconds=arguments.seconds, checks=arguments.checks)
    task_file = chosen_tasks(read_repair_tasks(arguments.tasks), arguments, lambda task: task.crate)
    model = parse_model(arguments.model) if arguments.model else None
    if model is not None and model.kind not in ("bundle", "reference", "empty"):
        raise ConfigError(f"--model {arguments.model}: only bundles repair")
    known = identify(model) if model else None
    toolchain = find_toolchain()
    sandbox = find_sandbox(
        Limits(memory_mb=repair.memory_mb, processes=repair.processes),
        toolchain=toolchain.sysroot,
        require=not arguments.without_sandbox,
    )
    with ExitStack() as stack:
        pool = None
        if any(task.crate is not None for task in task_file.tasks):
            pool = stack.enter_context(crate_pool(arguments, settings))
        setup = RepairSetup(
            sandbox=sandbox,
            toolchain=toolchain,
            limits=RepairLimits(
                seconds=repair.seconds,
                checks=repair.checks_per_error,
                steps=repair.steps,
                total=repair.checks,
            ),
            lanes=repair.lanes,
            run_s=repair.run_s,
            scratch=Path(),
            model=model,
            pool=pool,
        )
        metrics = run_repairs(
            task_file,
            setup,
            model=known,
            out=arguments.out,
            seed=arguments.seed,
            workers=workers_of(arguments),
            grace_s=repair.grace_s,
            resamples=repair.resamples,
        )
    out = console()
    out.print(repair_table(metrics, f"{arguments.tasks.name}, {len(task_file.tasks)} tasks"))
    out.print(source_table(metrics))
    for key, text in (("crashed", "crashed or hung"), ("cut_by_deadline", "cut by the deadline")):
        if metrics[key]:
            print(f"{metrics[key]} tasks were {text}")
    out.print(f"{arguments.out / METRICS}", highlight=False)
