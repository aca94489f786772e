"""The `m31r-eval` command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from m31r_core import cli
from m31r_eval.commands import (
    build,
    calibrate,
    check,
    complete,
    generate,
    judge,
    repair,
    replay,
    suite,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `m31r-eval` and return its exit code."""
    return cli.run(lambda arguments: arguments.handler(arguments), parser(), argv)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command and all of its subcommands."""
    found = cli.command_parser(
        "m31r-eval",
        "Measure what a model is worth on Rust that it has not seen.",
        "m31r-eval complete tasks.jsonl --model models/nano --out runs/eval --ngram ngram.npz",
    )
    commands = found.add_subparsers(required=True, metavar="COMMAND")
    for each in (complete, calibrate, check, generate, repair, replay, suite, judge, build):
        each.add(commands)
    return found
