"""`m31r-eval complete`."""

from __future__ import annotations

import argparse

from m31r_core import cli
from m31r_eval.commands.options import add_run, contestants_of, settings_of, workers_of
from m31r_eval.completing import CompleteSetup, run_complete
from m31r_eval.models import ModelSpec
from m31r_eval.running import METRICS
from m31r_eval.tables import print_scores
from m31r_eval.tasks import read_tasks


def add(commands: cli.Commands[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    command = cli.add_command(
        commands,
        "complete",
        "Run completion tasks through a model, beside the baselines.",
        "m31r-eval complete tasks.jsonl --model models/nano --out runs/eval --limit 100",
        _run,
    )
    add_run(command)
    command.add_argument("--ngram", metavar="FILE", help="the same as --beside ngram:FILE")
    command.add_argument("--no-simulation", action="store_true", help="no keystroke simulation")
    command.add_argument(
        "--context",
        choices=("with", "without", "both"),
        default="with",
        help="text of other files, where a task has some; default: with",
    )


def _run(arguments: argparse.Namespace) -> None:
    settings = settings_of(arguments)
    if arguments.ngram:
        arguments.beside.insert(0, f"ngram:{arguments.ngram}")
    contestants = contestants_of(arguments, settings)
    copy = ModelSpec("copy")
    if copy not in (contestants.model, *contestants.beside):
        arguments.beside.append("copy")
        contestants = contestants_of(arguments, settings)
    setup = CompleteSetup(
        contestants, settings.complete, not arguments.no_simulation, arguments.context
    )
    metrics = run_complete(
        read_tasks(arguments.tasks, arguments.limit),
        setup,
        out=arguments.out,
        seed=arguments.seed,
        workers=workers_of(arguments),
    )
    print_scores(metrics, arguments.tasks.name)
    print(arguments.out / METRICS)
