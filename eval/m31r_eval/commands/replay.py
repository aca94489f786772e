"""`m31r-eval latency`, `memory` and `record`: the server as an editor sees it."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from m31r_core import cli
from m31r_core.errors import ConfigError
from m31r_eval.commands.options import add_settings, positive, settings_of
from m31r_eval.models import identify, parse_model
from m31r_eval.recording import record
from m31r_eval.replaying import ReplaySetup, run_latency, run_memory
from m31r_eval.running import METRICS, Record
from m31r_eval.tables import console, replay_table
from m31r_eval.traces import read_traces


def add(commands: cli.Commands[argparse.ArgumentParser]) -> None:
    """Add the subcommands."""
    for name, run, summary in (
        ("latency", run_latency, "Play recorded typing to the real server: how long are answers?"),
        ("memory", run_memory, "Play recorded typing often: how much memory does the server hold?"),
    ):
        command = cli.add_command(
            commands,
            name,
            summary,
            f"m31r-eval {name} traces.jsonl.xz --model models/nano --out runs/{name}",
            partial(_play, run=run),
        )
        command.add_argument("tasks", type=Path, metavar="TRACES.jsonl")
        command.add_argument("--model", metavar="DIR", help="default: the bundle that ships")
        command.add_argument(
            "--server", metavar="COMMAND", help="another server; default: m31r-lsp"
        )
        command.add_argument("--out", type=Path, metavar="DIR", required=True)
        command.add_argument("--limit", type=positive, metavar="N", help="only the first N traces")
        command.add_argument("--seed", type=int, default=0, metavar="S", help="of the intervals")
        add_settings(command)
    recorder = cli.add_command(
        commands,
        "record",
        "Write down what an editor and its server say while you type, as a trace.",
        "m31r-eval record --out trace.jsonl -- m31r-lsp     (as the editor's server command)",
        _record,
    )
    recorder.add_argument("--out", type=Path, metavar="TRACE.jsonl", required=True)
    recorder.add_argument("command", nargs="+", metavar="COMMAND", help="the server to start")


def _play(arguments: argparse.Namespace, run: Callable[..., Record]) -> None:
    setup, model_id = _setup(arguments)
    traces = read_traces(arguments.tasks, arguments.limit)
    metrics = run(traces, setup, model_id=model_id, out=arguments.out, seed=arguments.seed)
    console().print(replay_table(metrics, f"{arguments.tasks.name}, {metrics['n']} traces"))
    print(arguments.out / METRICS)


def _setup(arguments: argparse.Namespace) -> tuple[ReplaySetup, str]:
    settings = settings_of(arguments)
    if arguments.server:
        if arguments.model:
            raise ConfigError("--server names the whole command; put the model into it")
        return ReplaySetup(tuple(shlex.split(arguments.server)), settings.replay), arguments.server
    model = parse_model(arguments.model)
    if model.kind != "bundle":
        raise ConfigError(f"--model {arguments.model}: the server runs bundles; see --server")
    command = (sys.executable, "-m", "m31r_lsp", "--model", str(model.path.resolve()))
    return ReplaySetup(command, settings.replay), identify(model)[0]


def _record(arguments: argparse.Namespace) -> int:
    return record(arguments.command, arguments.out)
