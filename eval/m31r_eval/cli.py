"""The `m31r-eval` command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from m31r_core import cli
from m31r_core.bundle import find_bundle, load_bundle
from m31r_core.cargo.sandbox import Limits, find_sandbox
from m31r_core.cargo.toolchain import find_toolchain
from m31r_core.config import from_mapping, load_toml
from m31r_core.engine import Engine
from m31r_core.engine.complete import Completer
from m31r_core.errors import ConfigError, M31RError
from m31r_core.repair.search import RepairLimits
from m31r_core.shards import TOKENIZER, TokenDataset, Tokens
from m31r_core.tokenizer import END, Tokenizer
from m31r_eval import comparing, completing, ngram
from m31r_eval.building import build_line_tasks
from m31r_eval.converting import read_pairs
from m31r_eval.repair_running import run_repairs
from m31r_eval.repair_tasks import read_repair_tasks
from m31r_eval.repairing import RepairSetup
from m31r_eval.settings import NgramSettings, RepairSettings, Settings
from m31r_eval.tables import (
    console,
    difference_table,
    repair_table,
    score_table,
    source_table,
)
from m31r_eval.tasks import read_tasks, write_tasks


def main(argv: Sequence[str] | None = None) -> int:
    """Run `m31r-eval` and return its exit code."""
    return cli.run(lambda arguments: arguments.handler(arguments), _parser(), argv)


def _complete(arguments: argparse.Namespace) -> None:
    settings = _settings(arguments)
    task_file = read_tasks(arguments.tasks, arguments.limit)
    bundle = load_bundle(find_bundle(explicit=arguments.model))
    baselines: dict[str, completing.Baseline] = {"copy": completing.copy_baseline}
    if arguments.ngram:
        counts = ngram.load(arguments.ngram)
        limit = settings.complete.max_new_tokens
        completer = ngram.NgramCompleter(counts, settings.ngram, limit)
        baselines = {"ngram": completing.ngram_baseline(completer), **baselines}
    engine = Engine.load(bundle, threads=arguments.threads)
    report = completing.run_tasks(
        task_file,
        Completer(engine),
        model_id=bundle.manifest.model_id,
        baselines=baselines,
        out=arguments.out,
        seed=arguments.seed,
        simulation=not arguments.no_simulation,
        settings=settings.complete,
    )
    rows = {bundle.manifest.model_id: report.model, **report.baselines}
    title = f"{arguments.tasks.name}, {len(task_file.tasks)} tasks"
    console().print(score_table(rows, report.latency_ms, title))
    console().print(f"{arguments.out / completing.METRICS}", highlight=False)


def _build_tasks(arguments: argparse.Namespace) -> None:
    dataset = TokenDataset.open(arguments.dataset, arguments.split)
    tokenizer = Tokenizer.load(arguments.dataset / TOKENIZER)
    tasks = build_line_tasks(
        dataset,
        tokenizer,
        count=arguments.n,
        seed=arguments.seed,
        settings=_settings(arguments).tasks,
    )
    if not tasks:
        where = f"{arguments.dataset}: split '{arguments.split}'"
        raise M31RError(f"{where} has no line that a task can be cut from")
    write_tasks(arguments.out, tasks)
    files = len({task.id.split("-")[0] for task in tasks})
    print(f"{arguments.out}: {len(tasks)} tasks from {files} files")
    if len(tasks) < arguments.n:
        print(f"the split gives no more; {arguments.n} were asked for", file=sys.stderr)


def _ngram(arguments: argparse.Namespace) -> None:
    settings = _settings(arguments).ngram
    if arguments.order:
        settings = from_mapping({**asdict(settings), "order": arguments.order}, NgramSettings, "--")
    dataset = TokenDataset.open(arguments.dataset, arguments.split)
    path = arguments.dataset / TOKENIZER
    tokenizer = Tokenizer.load(path)
    tokens = _token_stream(dataset, arguments.limit_tokens)
    model = ngram.train(tokens, path.read_bytes(), tokenizer.vocab_size, settings)
    ngram.save(model, arguments.out)
    kept = ", ".join(f"{len(table.tokens):,}" for table in model.tables)
    print(f"{arguments.out}: {len(tokens):,} tokens; pairs kept for 2 to {model.order}: {kept}")


def _token_stream(dataset: TokenDataset, limit: int | None) -> Tokens:
    """Return the first `limit` ids of the documents, uint16, with END around each document."""
    lengths = dataset.lengths + 1
    documents = len(dataset)
    if limit is not None:
        documents = int(np.searchsorted(np.cumsum(lengths), limit))
    stream = np.full(int(lengths[:documents].sum()) + 1, END, np.uint16)
    at = 1
    for i in range(documents):
        document = dataset.document(i)
        stream[at : at + len(document)] = document
        at += len(document) + 1
    return stream


def _compare(arguments: argparse.Namespace) -> int:
    differences = comparing.compare(
        arguments.a, arguments.b, resamples=arguments.resamples, seed=arguments.seed
    )
    console().print(difference_table(differences, arguments.threshold))
    return int(any(each.is_regression(arguments.threshold) for each in differences))


def _repair(arguments: argparse.Namespace) -> None:
    settings = _settings(arguments).repair
    asked = {"seconds": arguments.seconds, "checks": arguments.checks}
    settings = from_mapping(
        {**asdict(settings), **{key: value for key, value in asked.items() if value}},
        RepairSettings,
        "--",
    )
    task_file = read_repair_tasks(arguments.tasks, arguments.limit)
    model = find_bundle(explicit=arguments.model) if arguments.model else None
    bundle = load_bundle(model) if model else None
    toolchain = find_toolchain()
    limits = Limits(memory_mb=settings.memory_mb, processes=settings.processes)
    sandbox = find_sandbox(
        limits, toolchain=toolchain.sysroot, require=not arguments.without_sandbox
    )
    setup = RepairSetup(
        sandbox=sandbox,
        toolchain=toolchain,
        limits=RepairLimits(
            seconds=settings.seconds,
            checks=settings.checks_per_error,
            steps=settings.steps,
            total=settings.checks,
        ),
        lanes=settings.lanes,
        run_s=settings.run_s,
        scratch=Path(),
        model=model,
    )
    metrics = run_repairs(
        task_file,
        setup,
        model_id=bundle.manifest.model_id if bundle else None,
        out=arguments.out,
        seed=arguments.seed,
        workers=arguments.workers or os.cpu_count() or 1,
        grace_s=settings.grace_s,
        resamples=settings.resamples,
    )
    console().print(repair_table(metrics, f"{arguments.tasks.name}, {len(task_file.tasks)} tasks"))
    console().print(source_table(metrics))
    for key, text in (("crashed", "crashed or hung"), ("cut_by_deadline", "cut by the deadline")):
        if metrics[key]:
            print(f"{metrics[key]} tasks were {text}")
    console().print(f"{arguments.out / completing.METRICS}", highlight=False)


def _convert_repair(arguments: argparse.Namespace) -> None:
    tasks = read_pairs(arguments.source)
    if not tasks:
        raise M31RError(f"{arguments.source}: no pair of kind 'fix'")
    write_tasks(arguments.out, tasks)
    print(f"{arguments.out}: {len(tasks)} tasks")


def _settings(arguments: argparse.Namespace) -> Settings:
    if arguments.config:
        return load_toml(arguments.config, Settings, arguments.set)
    if arguments.set:
        raise ConfigError("--set changes keys of a configuration; name it with --config")
    return from_mapping({}, Settings, "defaults")


def _parser() -> argparse.ArgumentParser:
    parser = cli.command_parser(
        "m31r-eval",
        "Measure what a model is worth on Rust that it has not seen.",
        "m31r-eval complete tasks.jsonl --model models/nano --out runs/eval --ngram ngram.npz",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    complete = cli.add_command(
        commands,
        "complete",
        "Run completion tasks through a model, beside the baselines.",
        "m31r-eval complete tasks.jsonl --model models/nano --out runs/eval --limit 100",
        _complete,
    )
    complete.add_argument("tasks", type=Path, metavar="TASKS.jsonl")
    complete.add_argument("--model", type=Path, metavar="DIR", help="default: the one that ships")
    complete.add_argument("--out", type=Path, metavar="DIR", required=True)
    complete.add_argument("--limit", type=_positive, metavar="N", help="only the first N tasks")
    complete.add_argument("--seed", type=int, default=0, metavar="S", help="of the intervals")
    complete.add_argument("--ngram", type=Path, metavar="FILE", help="compare with this n-gram")
    complete.add_argument("--no-simulation", action="store_true", help="no keystroke simulation")
    complete.add_argument("--threads", type=_positive, metavar="N")
    _add_settings(complete)

    repair = cli.add_command(
        commands,
        "repair",
        "Repair programs that do not compile, beside rustc's suggestions alone.",
        "m31r-eval repair tasks.jsonl --out runs/repair --limit 20",
        _repair,
    )
    repair.add_argument("tasks", type=Path, metavar="TASKS.jsonl")
    repair.add_argument("--model", type=Path, metavar="DIR", help="rank and propose with a model")
    repair.add_argument("--out", type=Path, metavar="DIR", required=True)
    repair.add_argument("--limit", type=_positive, metavar="N", help="only the first N tasks")
    repair.add_argument("--seed", type=int, default=0, metavar="S", help="of the intervals")
    repair.add_argument("--seconds", type=_positive, metavar="N", help="for one task; default: 10")
    repair.add_argument("--checks", type=_positive, metavar="N", help="for one task; default: 200")
    repair.add_argument("--workers", type=_positive, metavar="N", help="tasks at the same time")
    repair.add_argument(
        "--without-sandbox",
        action="store_true",
        help="run the tasks with limits only where bubblewrap is missing; for tasks that you trust",
    )
    _add_settings(repair)

    convert = cli.add_command(
        commands,
        "convert-repair",
        "Make repair tasks of pairs of a broken and a repaired snippet.",
        "m31r-eval convert-repair pairs.jsonl --out tasks.jsonl",
        _convert_repair,
    )
    convert.add_argument("source", type=Path, metavar="PAIRS.jsonl")
    convert.add_argument("--out", type=Path, metavar="TASKS.jsonl", required=True)

    build = cli.add_command(
        commands,
        "build-tasks",
        "Cut line tasks at random cursors in the code of a dataset split.",
        "m31r-eval build-tasks datasets/rust --out tasks.jsonl --n 1000 --seed 0",
        _build_tasks,
    )
    build.add_argument("dataset", type=Path, metavar="DATASET")
    build.add_argument("--out", type=Path, metavar="TASKS.jsonl", required=True)
    build.add_argument("--n", type=_positive, default=1_000, metavar="N")
    build.add_argument("--seed", type=int, default=0, metavar="S")
    build.add_argument("--split", default="test")
    _add_settings(build)

    count = cli.add_command(
        commands,
        "ngram",
        "Train the back-off n-gram baseline on a dataset's tokens.",
        "m31r-eval ngram datasets/rust --out ngram.npz",
        _ngram,
    )
    count.add_argument("dataset", type=Path, metavar="DATASET")
    count.add_argument("--out", type=Path, metavar="FILE", required=True)
    count.add_argument("--order", type=int, metavar="N", help="default: 6")
    count.add_argument("--limit-tokens", type=_positive, metavar="N", help="of the first documents")
    count.add_argument("--split", default="train")
    _add_settings(count)

    compare = cli.add_command(
        commands,
        "compare",
        "Exit with 1 if run B is worse than run A on the same tasks.",
        "m31r-eval compare runs/eval-before runs/eval-after --threshold 0.01",
        _compare,
    )
    compare.add_argument("a", type=Path, metavar="A")
    compare.add_argument("b", type=Path, metavar="B")
    compare.add_argument("--threshold", type=float, default=0.01, help="default: 0.01")
    compare.add_argument("--resamples", type=_positive, default=1_000)
    compare.add_argument("--seed", type=int, default=0, metavar="S")
    return parser


def _add_settings(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, metavar="FILE", help="as configs/eval/*.toml")
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value
