"""What the smaller `m31r-train` commands do and print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from m31r_core.config import load_toml
from m31r_core.errors import M31RError
from m31r_core.shards import damaged_files, read_manifest
from m31r_core.tokenizer import train_tokenizer
from m31r_data.build import Until, build_dataset
from m31r_data.config import DataConfig
from m31r_data.executors import ExecutorName
from m31r_data.executors import Progress as StageProgress
from m31r_data.report import html_report, tables
from m31r_train.vocabulary import Sample, vocabulary_table

# What `tokenizer --table` weighs the output layer against: the nano configuration.
_TABLE_HIDDEN = 256
_TABLE_BLOCKS = 4_722_688


def data_build(
    path: Path,
    overrides: Sequence[str],
    *,
    workers: int,
    executor: ExecutorName,
    until: Until,
) -> int:
    """Build the dataset that the configuration at `path` describes."""
    config = load_toml(path, DataConfig, overrides)
    with _stage_progress() as progress:
        made = build_dataset(
            config, workers=workers, executor=executor, until=until, progress=progress
        )
    if executor == "slurm" and config.slurm.detach:
        print(f"{config.output}: queued; see squeue")
        return 0
    if until != "all":
        return 0
    if not made:
        print(f"{config.output}: nothing to do")
        return 0
    return data_stats(config.output, None)


@contextmanager
def _stage_progress() -> Iterator[StageProgress]:
    """Show a bar for each stage; without a terminal, a line for each that is done."""
    columns = (
        TextColumn("{task.description:10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = Console()
    bars: dict[str, TaskID] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        def show(stage: str, done: int, tasks: int) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(stage, total=tasks)
            progress.update(bars[stage], completed=done)
            if done == tasks and not console.is_terminal:
                console.print(f"{stage}: {tasks} ranks done")

        yield show


def data_stats(directory: Path, html: Path | None) -> int:
    """Print what a dataset holds and what was left out; with `html`, write a page of it too."""
    manifest = read_manifest(directory)
    if html is not None:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(html_report(manifest), encoding="utf-8")
    Console().print(*tables(manifest))
    return 0


def data_verify(directory: Path) -> int:
    """Hash every file of a dataset; name those that are damaged."""
    files, damage = damaged_files(directory)
    for line in damage:
        print(line)
    if damage:
        work = directory.with_name(f"{directory.name}.work")
        raise M31RError(
            f"{directory}: {len(damage)} of {files} files damaged; delete them and"
            f" {work / 'assemble'}, then build again"
        )
    print(f"{directory}: {files} files whole")
    return 0


def tokenizer(
    path: Path, overrides: Sequence[str], workers: int, table_sizes: Sequence[int] | None
) -> int:
    """Train the vocabulary of a data configuration, or measure several sizes."""
    config = load_toml(path, DataConfig, overrides)
    sample = Sample(config, workers)
    try:
        if table_sizes:
            _print_vocabularies(sample, table_sizes)
        else:
            trained = train_tokenizer(sample.train(), config.tokenizer.vocab_size)
            config.tokenizer_file.parent.mkdir(parents=True, exist_ok=True)
            trained.save(config.tokenizer_file)
            print(f"{config.tokenizer_file}: {trained.vocab_size:,} tokens")
    finally:
        sample.close()
    return 0


def _print_vocabularies(sample: Sample, sizes: Sequence[int]) -> None:
    rows = vocabulary_table(sample, sizes, hidden_size=_TABLE_HIDDEN, block_weights=_TABLE_BLOCKS)
    table = Table("vocabulary", "bytes/token", "output weights", "share", "FLOPs/byte")
    for row in rows:
        table.add_row(
            f"{row.vocab_size:,}",
            f"{row.bytes_per_token:.3f}",
            f"{row.output_weights / 1e6:.2f}M",
            f"{row.output_share:.0%}",
            f"{row.flops_per_byte / 1e6:.2f}M",
        )
    Console().print(table)
