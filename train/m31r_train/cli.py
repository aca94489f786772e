"""The `m31r-train` command: data, tokenizer, training, and what other packages add to it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path

from m31r_core.cli import Commands, add_command, command_parser, run

_EXAMPLE = "m31r-train run configs/train/nano.toml --set output=runs/nano"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: this process's) and return the exit code."""
    parser = command_parser("m31r-train", "Build datasets and models of Rust.", _EXAMPLE)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_data(commands)
    _add_tokenizer(commands)
    _add_run(commands)
    _add_sweep(commands)
    _add_adapt(commands)
    _add_info(commands)
    _add_card(commands)
    _add_plot(commands)
    _add_report(commands)
    for extension in entry_points(group="m31r_train.commands"):
        extension.load()(commands)
    return run(lambda arguments: arguments.handler(arguments), parser, argv)


def _add_data(commands: Commands[argparse.ArgumentParser]) -> None:
    data = add_command(
        commands, "data", "Build, describe and verify datasets.", "m31r-train data stats DIR"
    )
    actions = data.add_subparsers(dest="action", required=True, metavar="ACTION")
    build = add_command(
        actions,
        "build",
        "Make token shards from sources of Rust.",
        "m31r-train data build configs/data/rust-permissive.toml --workers 2",
    )
    build.add_argument("config", type=Path)
    build.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    build.add_argument("--executor", choices=("local", "ray", "slurm"), default="local")
    build.add_argument(
        "--until",
        choices=("prepare", "dedup", "all"),
        default="all",
        help="stop behind this stage; without 'all', no tokenizer is needed",
    )
    _add_set(build)
    build.set_defaults(handler=_data_build)
    stats = add_command(
        actions, "stats", "Count what a dataset holds.", "m31r-train data stats DIR"
    )
    stats.add_argument("directory", type=Path)
    stats.add_argument("--html", type=Path, metavar="FILE", help="write a page with charts too")
    stats.set_defaults(handler=_data_stats)
    verify = add_command(
        actions,
        "verify",
        "Hash every file of a dataset and name the damaged ones.",
        "m31r-train data verify DIR",
    )
    verify.add_argument("directory", type=Path)
    verify.set_defaults(handler=_data_verify)


def _add_tokenizer(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = add_command(
        commands,
        "tokenizer",
        "Train the vocabulary on the train split.",
        "m31r-train tokenizer configs/data/rust-permissive.toml --table 8192 12288 16384",
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--table",
        type=int,
        nargs="+",
        metavar="SIZE",
        help="only measure these vocabulary sizes; write nothing",
    )
    _add_set(parser)
    parser.set_defaults(handler=_tokenizer)


def _add_run(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = add_command(commands, "run", "Train a model.", _EXAMPLE)
    parser.add_argument("config", type=Path)
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint")
    _add_set(parser)
    parser.set_defaults(handler=_run)


def _add_sweep(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = add_command(
        commands,
        "sweep",
        "Train small proxies and fit the best rates; go on with what is not finished.",
        "m31r-train sweep configs/train/sweep.toml --set tokens=500000",
    )
    parser.add_argument("config", type=Path)
    _add_set(parser)
    parser.set_defaults(handler=_sweep)


def _add_adapt(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = add_command(
        commands,
        "adapt",
        "Fine-tune the model on your own code, here, and measure what that gains.",
        "m31r-train adapt ~/src/my-crate --minutes 10 --set lora.rank=32",
    )
    parser.add_argument("workspace", type=Path)
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="checkpoint or bundle; default: what ships"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: runs/adapt-NAME")
    parser.add_argument("--minutes", type=float, metavar="N", help="of wall time; default: 15")
    parser.add_argument("--config", type=Path, metavar="FILE", help="as configs/train/adapt.toml")
    _add_set(parser)
    parser.set_defaults(handler=_adapt)


def _add_info(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = add_command(
        commands,
        "info",
        "Print a configuration's parameters, memory and cost.",
        "m31r-train info configs/train/base.toml --flops 790e12 --mfu 0.42",
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="default: 1")
    parser.add_argument("--flops", type=float, metavar="RATE", help="a device's peak, FLOP/s")
    parser.add_argument(
        "--mfu", type=float, default=0.4, metavar="SHARE", help="of the peak used (default: 0.4)"
    )
    parser.add_argument("--measure", action="store_true", help="time some steps on this machine")
    parser.add_argument("--json", action="store_true", help="print plain numbers")
    _add_set(parser)
    parser.set_defaults(handler=_info)


def _add_card(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = add_command(
        commands,
        "card",
        "Write the model card of a checkpoint.",
        "m31r-train card runs/nano/step-003000 --dataset datasets/rust-permissive --out card.md",
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--dataset", type=Path, required=True, metavar="DIR")
    parser.add_argument("--metrics", type=Path, metavar="FILE", help="metrics.json of m31r-eval")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.set_defaults(handler=_card)


def _add_plot(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = add_command(
        commands,
        "plot",
        "Draw the loss curve of a run.",
        "m31r-train plot runs/nano --out docs/img/nano.png",
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.set_defaults(handler=_plot)


def _add_report(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = add_command(
        commands,
        "report",
        "Write the page of a run, with curves and samples, from its log.",
        "m31r-train report runs/nano",
    )
    parser.add_argument("run", type=Path)
    parser.set_defaults(handler=_report)


def _add_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="change one key of the configuration",
    )


# Each command imports what it needs when it runs, so that `--help` does not wait for PyTorch.


def _data_build(arguments: argparse.Namespace) -> int:
    from m31r_train import commands

    return commands.data_build(
        arguments.config,
        arguments.overrides,
        workers=arguments.workers,
        executor=arguments.executor,
        until=arguments.until,
    )


def _data_stats(arguments: argparse.Namespace) -> int:
    from m31r_train import commands

    return commands.data_stats(arguments.directory, arguments.html)


def _data_verify(arguments: argparse.Namespace) -> int:
    from m31r_train import commands

    return commands.data_verify(arguments.directory)


def _tokenizer(arguments: argparse.Namespace) -> int:
    from m31r_train import commands

    return commands.tokenizer(
        arguments.config, arguments.overrides, arguments.workers, arguments.table
    )


def _run(arguments: argparse.Namespace) -> int:
    from m31r_train.pretrain import run_training

    return run_training(arguments.config, arguments.overrides, resume=arguments.resume)


def _sweep(arguments: argparse.Namespace) -> int:
    from m31r_train.sweep import run_sweep

    return run_sweep(arguments.config, arguments.overrides)


def _adapt(arguments: argparse.Namespace) -> int:
    from m31r_core.config import load_toml
    from m31r_train.adapt.config import AdaptConfig
    from m31r_train.adapt.run import run_adapt

    minutes = arguments.minutes
    given = [] if minutes is None else [f"minutes={minutes}"]
    config = load_toml(arguments.config, AdaptConfig, [*arguments.overrides, *given])
    return run_adapt(arguments.workspace, arguments.model, arguments.out, config)


def _info(arguments: argparse.Namespace) -> int:
    from m31r_train.info import info

    return info(
        arguments.config,
        arguments.overrides,
        processes=arguments.processes,
        flops=arguments.flops,
        mfu=arguments.mfu,
        measure=arguments.measure,
        as_json=arguments.json,
    )


def _card(arguments: argparse.Namespace) -> int:
    from m31r_train.card import model_card

    text = model_card(arguments.checkpoint, arguments.dataset, arguments.metrics)
    arguments.out.write_text(text, encoding="utf-8")
    return 0


def _plot(arguments: argparse.Namespace) -> int:
    from m31r_train.card import plot_run

    plot_run(arguments.run, arguments.out)
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from m31r_train.page import write_page

    print(write_page(arguments.run))
    return 0


if __name__ == "__main__":
    sys.exit(main())
