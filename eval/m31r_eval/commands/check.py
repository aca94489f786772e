"""`m31r-eval check`."""

from __future__ import annotations

import argparse

from m31r_core import cli
from m31r_eval.checking import CheckSetup, run_check
from m31r_eval.commands.options import (
    add_crates,
    add_only,
    add_run,
    chosen_tasks,
    contestants_of,
    crate_pool,
    settings_of,
    workers_of,
)
from m31r_eval.measures import crate_of
from m31r_eval.running import METRICS
from m31r_eval.tables import print_scores
from m31r_eval.tasks import read_tasks


def add(commands: cli.Commands[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    command = cli.add_command(
        commands,
        "check",
        "Put completions into real crates: how many still compile?",
        "m31r-eval check body.jsonl.xz --crates crates.tar.xz --out runs/check",
        _run,
    )
    add_run(command)
    add_crates(command)
    add_only(command)


def _run(arguments: argparse.Namespace) -> None:
    settings = settings_of(arguments)
    contestants = contestants_of(arguments, settings)
    task_file = chosen_tasks(
        read_tasks(arguments.tasks), arguments, lambda task: crate_of(task.path)
    )
    with crate_pool(arguments, settings) as pool:
        metrics = run_check(
            task_file,
            CheckSetup(contestants, settings.check, pool),
            out=arguments.out,
            seed=arguments.seed,
            workers=workers_of(arguments),
        )
    print_scores(metrics, arguments.tasks.name)
    rate = 100 * metrics["original_compile_rate"]
    print(f"the original text compiles in {rate:.1f}% of them")
    print(arguments.out / METRICS)
