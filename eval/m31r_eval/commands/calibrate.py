"""`m31r-eval calibrate`."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from m31r_core import cli
from m31r_core.bundle import shipped_bundle
from m31r_core.engine.confidence import FEATURES
from m31r_core.errors import ConfigError
from m31r_eval.calibrating import curve, fitted, keep, sample_all
from m31r_eval.commands.options import positive, workers_of
from m31r_eval.tables import console, reliability_table
from m31r_eval.tasks import read_tasks


def add(commands: cli.Commands[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    command = cli.add_command(
        commands,
        "calibrate",
        "Say how often a bundle is right when it is how sure; --keep fits that first.",
        "m31r-eval calibrate valid.jsonl --model models/nano --keep",
        _run,
    )
    command.add_argument("tasks", type=Path, metavar="TASKS.jsonl", help="of lines; may be .xz")
    command.add_argument("--model", type=Path, metavar="DIR", help="default: the one that ships")
    command.add_argument("--limit", type=positive, metavar="N", help="only the first N tasks")
    command.add_argument(
        "--every", type=positive, default=4, metavar="N", help="ask at every Nth key (default: 4)"
    )
    command.add_argument("--workers", type=positive, metavar="N", help="default: one a core")
    command.add_argument(
        "--keep", action="store_true", help="fit a calibration on the tasks, into the bundle"
    )
    command.add_argument("--json", type=Path, metavar="FILE", help="write the curve")


def _run(arguments: argparse.Namespace) -> None:
    bundle = arguments.model or shipped_bundle()
    file = read_tasks(arguments.tasks, arguments.limit)
    workers = workers_of(arguments)
    samples = sample_all(bundle, file.tasks, every=arguments.every, workers=workers)
    if not any(each.right for each in samples) or all(each.right for each in samples):
        raise ConfigError(f"{arguments.tasks}: needs answers that are right and some that are not")
    if arguments.keep:
        calibration = fitted(samples)
        keep(bundle, calibration, f"{len(samples)} places, tasks {file.sha256[:16]}")
        for name, weight in zip(FEATURES, calibration.weights, strict=True):
            console().print(f"{name:>16} {weight:9.4f}", highlight=False)
        samples = [
            dataclasses.replace(each, confidence=calibration.of_features(each.features))
            for each in samples
        ]
    bins, error = curve(samples)
    console().print(reliability_table(bins, error))
    if arguments.json:
        rows = [dataclasses.asdict(each) for each in bins]
        report = {"n": len(samples), "calibration_error": error, "rows": rows}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
