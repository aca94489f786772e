"""`m31r-eval generate`."""

from __future__ import annotations

import argparse

from m31r_core import cli
from m31r_eval.commands.options import (
    add_run,
    changed,
    contestants_of,
    program_sandbox,
    scratch,
    settings_of,
    workers_of,
)
from m31r_eval.generate_tasks import read_generate_tasks
from m31r_eval.generating import GenerateSetup, run_generate
from m31r_eval.running import METRICS
from m31r_eval.tables import print_scores


def add(commands: cli.Commands[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    command = cli.add_command(
        commands,
        "generate",
        "Write functions from their documentation and run their tests: pass@k.",
        "m31r-eval generate tasks.jsonl --out runs/generate --samples 10 --temperature 0.6",
        _run,
    )
    add_run(command)
    command.add_argument("--samples", type=int, metavar="N", help="of each task; default: 10")
    command.add_argument("--temperature", type=float, metavar="T", help="default: 0.6")


def _run(arguments: argparse.Namespace) -> None:
    settings = settings_of(arguments)
    generate = changed(
        settings.generate, samples=arguments.samples, temperature=arguments.temperature
    )
    contestants = contestants_of(arguments, settings)
    sandbox, toolchain = program_sandbox(generate.memory_mb, generate.processes)
    with scratch() as folder:
        metrics = run_generate(
            read_generate_tasks(arguments.tasks, arguments.limit),
            GenerateSetup(contestants, generate, sandbox, toolchain, folder, arguments.seed),
            out=arguments.out,
            workers=workers_of(arguments),
        )
    print_scores(metrics, arguments.tasks.name)
    for verdict, count in metrics["verdicts"].items():
        print(f"{verdict}: {count}")
    print(arguments.out / METRICS)
