"""`m31r-eval compare` and `report`: what runs came to."""

from __future__ import annotations

import argparse
from pathlib import Path

from m31r_core import cli
from m31r_core.errors import ConfigError
from m31r_eval.commands.options import positive
from m31r_eval.comparing import compare
from m31r_eval.report import write_report
from m31r_eval.tables import console, difference_table


def add(commands: cli.Commands[argparse.ArgumentParser]) -> None:
    """Add the subcommands."""
    comparing = cli.add_command(
        commands,
        "compare",
        "Exit with 1 if run B is worse than run A on the same tasks.",
        "m31r-eval compare runs/eval-before runs/eval-after --threshold 0.01",
        _compare,
    )
    comparing.add_argument("a", type=Path, metavar="A")
    comparing.add_argument("b", type=Path, metavar="B")
    comparing.add_argument(
        "--threshold",
        action="append",
        default=[],
        metavar="T",
        help="a fall that is let pass, for all metrics or as METRIC=T; default: 0.01",
    )
    comparing.add_argument("--resamples", type=positive, default=1_000)
    comparing.add_argument("--seed", type=int, default=0, metavar="S")

    report = cli.add_command(
        commands,
        "report",
        "Write one HTML file about a run, or about all runs in a folder.",
        "m31r-eval report runs/eval --out report.html",
        _report,
    )
    report.add_argument("runs", type=Path, metavar="DIR")
    report.add_argument("--out", type=Path, metavar="FILE", help="default: DIR/report.html")


def thresholds_of(given: list[str]) -> tuple[float, dict[str, float]]:
    """Return the threshold for all metrics, and those of single ones.

    Raises ConfigError for what is no number.
    """
    general, single = 0.01, {}
    for text in given:
        name, equals, value = text.rpartition("=")
        try:
            number = float(value)
        except ValueError:
            raise ConfigError(f"--threshold {text}: {value!r} is no number") from None
        if equals:
            single[name] = number
        else:
            general = number
    return general, single


def _compare(arguments: argparse.Namespace) -> int:
    general, single = thresholds_of(arguments.threshold)
    differences = compare(
        arguments.a, arguments.b, resamples=arguments.resamples, seed=arguments.seed
    )
    unknown = single.keys() - {each.metric for each in differences}
    if unknown:
        raise ConfigError(f"--threshold {min(unknown)}: these runs have no such metric")
    limits = {each.metric: single.get(each.metric, general) for each in differences}
    console().print(difference_table(differences, limits))
    return int(any(each.is_regression(limits[each.metric]) for each in differences))


def _report(arguments: argparse.Namespace) -> None:
    out = arguments.out or arguments.runs / "report.html"
    write_report(arguments.runs, out)
    print(out)
