"""`m31r-eval build-tasks`, `build-suites`, `convert` and `ngram`: what evaluations are made of."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from m31r_core import cli
from m31r_core.errors import ConfigError, M31RError
from m31r_core.shards import TOKENIZER, TokenDataset, Tokens
from m31r_core.tokenizer import END, Tokenizer
from m31r_eval import ngram
from m31r_eval.building import build_line_tasks
from m31r_eval.commands.options import (
    add_crates,
    add_settings,
    changed,
    crate_pool,
    positive,
    settings_of,
    workers_of,
)
from m31r_eval.converting import convert
from m31r_eval.suites.build import KINDS, Sources, build_suites, cut_dataset
from m31r_eval.suites.packing import dependencies, pack
from m31r_eval.tasks import write_tasks

ARCHIVE = "crates.tar.xz"


def add(commands: cli.Commands[argparse.ArgumentParser]) -> None:
    """Add the subcommands."""
    build = cli.add_command(
        commands,
        "build-tasks",
        "Cut completion tasks in the code of a dataset split.",
        "m31r-eval build-tasks datasets/rust --out tasks.jsonl --n 1000 --seed 0",
        _build_tasks,
    )
    build.add_argument("dataset", type=Path, metavar="DATASET")
    build.add_argument("--out", type=Path, metavar="TASKS.jsonl", required=True)
    build.add_argument("--n", type=positive, default=1_000, metavar="N")
    build.add_argument("--seed", type=int, default=0, metavar="S")
    build.add_argument("--split", default="test")
    build.add_argument("--kind", choices=sorted(KINDS), default="line", help="default: line")
    add_settings(build)

    suites = cli.add_command(
        commands,
        "build-suites",
        "Make task files of every kind of whole crates, which are packed beside them.",
        "m31r-eval build-suites --crates build/crates --out suites --training datasets/rust",
        _build_suites,
    )
    add_crates(suites)
    suites.add_argument("--out", type=Path, metavar="DIR", required=True)
    suites.add_argument(
        "--crate",
        action="append",
        default=[],
        metavar="NAME-VERSION",
        help="a folder of the source; may be given again; default: those of the configuration",
    )
    suites.add_argument("--training", type=Path, metavar="DATASET", help="leave out what it has")
    suites.add_argument(
        "--pairs", type=Path, metavar="PAIRS.jsonl", help="as scripts/repair_pairs.py writes them"
    )
    suites.add_argument("--seed", type=int, default=0, metavar="S")
    suites.add_argument("--workers", type=positive, metavar="N", help="default: one a core")
    add_settings(suites)

    for name in ("convert", "convert-repair"):
        converting = cli.add_command(
            commands,
            name,
            "Make tasks of a public benchmark: MultiPL-E, McEval, pairs of broken and repaired.",
            f"m31r-eval {name} multipl-e_mbpp-rs.jsonl --out tasks.jsonl",
            _convert,
        )
        converting.add_argument("source", type=Path, metavar="SOURCE.jsonl")
        converting.add_argument("--out", type=Path, metavar="TASKS.jsonl", required=True)

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
    count.add_argument("--limit-tokens", type=positive, metavar="N", help="of the first documents")
    count.add_argument("--split", default="train")
    add_settings(count)


def _build_tasks(arguments: argparse.Namespace) -> None:
    dataset = TokenDataset.open(arguments.dataset, arguments.split)
    tokenizer = Tokenizer.load(arguments.dataset / TOKENIZER)
    windows = settings_of(arguments).tasks
    count, seed = arguments.n, arguments.seed
    if arguments.kind == "line":
        tasks = build_line_tasks(dataset, tokenizer, count=count, seed=seed, settings=windows)
    else:
        tasks = cut_dataset(
            dataset, tokenizer, arguments.kind, count=count, seed=seed, windows=windows
        )
    if not tasks:
        where = f"{arguments.dataset}: split '{arguments.split}'"
        raise M31RError(f"{where} has no {arguments.kind} that a task can be cut from")
    write_tasks(arguments.out, tasks)
    files = len({task.path for task in tasks})
    print(f"{arguments.out}: {len(tasks)} tasks from {files} files")
    if len(tasks) < arguments.n:
        print(f"the split gives no more; {arguments.n} were asked for", file=sys.stderr)


def _build_suites(arguments: argparse.Namespace) -> None:
    settings = settings_of(arguments)
    suites = settings.suites
    if arguments.crate:
        suites = changed(suites, crates=arguments.crate)
    if not suites.crates:
        raise ConfigError("no crates: name them with --crate, or in [suites] of a configuration")
    with crate_pool(arguments, settings) as pool:
        written = build_suites(
            Sources(pool, arguments.training, arguments.pairs),
            suites,
            settings.tasks,
            out=arguments.out,
            seed=arguments.seed,
            workers=workers_of(arguments),
        )
        folders = dependencies(pool, suites.crates)
        size = pack(pool.source, folders, arguments.out / ARCHIVE)
    for kind, count in written.items():
        wanted = suites.count(kind)
        print(f"{arguments.out / kind}.jsonl.xz: {count} tasks")
        if count < wanted:
            print(f"the crates give no more of {kind}; {wanted} were wanted", file=sys.stderr)
    print(f"{arguments.out / ARCHIVE}: {len(folders)} crates, {size:,} bytes")


def _convert(arguments: argparse.Namespace) -> None:
    tasks = convert(arguments.source)
    if not tasks:
        raise M31RError(f"{arguments.source}: no pair of kind 'fix'")
    write_tasks(arguments.out, tasks)
    print(f"{arguments.out}: {len(tasks)} tasks")


def _ngram(arguments: argparse.Namespace) -> None:
    settings = changed(settings_of(arguments).ngram, order=arguments.order)
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
