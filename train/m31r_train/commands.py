"""What the smaller `m31r-train` commands do and print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from m31r_core.config import load_toml
from m31r_core.shards import read_manifest, verify_dataset
from m31r_core.tokenizer import train_tokenizer
from m31r_data.build import build_dataset
from m31r_data.config import DataConfig
from m31r_train.config import TrainConfig
from m31r_train.vocabulary import Sample, vocabulary_table

# What `tokenizer --table` weighs the output layer against: the nano configuration.
_TABLE_HIDDEN = 256
_TABLE_BLOCKS = 4_722_688


def data_build(path: Path, overrides: Sequence[str], workers: int) -> int:
    """Build the dataset that the configuration at `path` describes."""
    config = load_toml(path, DataConfig, overrides)
    console = Console()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("reading", total=None)

        def show(documents: int, tokens: int) -> None:
            if documents % 500 == 0:
                text = f"{documents:,} files, {tokens / 1e6:.1f}M tokens"
                progress.update(task, description=text)
                if not console.is_terminal and documents % 10_000 == 0:
                    console.print(text)

        build_dataset(config, workers=workers, progress=show)
    return data_stats(config.output)


def data_stats(directory: Path) -> int:
    """Print the counts of a dataset's manifest."""
    manifest = read_manifest(directory)
    console = Console()
    kept = Table("split", "files", "tokens", "bytes", "bytes/token", title=str(directory))
    for split, documents in manifest["documents"].items():
        tokens, size = manifest["tokens"][split], manifest["text_bytes"][split]
        ratio = f"{size / max(tokens, 1):.3f}"
        kept.add_row(split, f"{documents:,}", f"{tokens:,}", f"{size:,}", ratio)
    dropped = Table("dropped because", "files", "characters")
    for reason, count in manifest["dropped"].items():
        dropped.add_row(reason, f"{count:,}", f"{manifest['dropped_bytes'][reason]:,}")
    console.print(kept, dropped)
    return 0


def data_verify(directory: Path) -> int:
    """Check a dataset's shards against its manifest."""
    print(f"{directory}: {verify_dataset(directory)} shards whole")
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


def info(path: Path, overrides: Sequence[str]) -> int:
    """Print the size and cost of a training configuration."""
    config = load_toml(path, TrainConfig, overrides)
    model, plan = config.model, config.plan
    weights = model.parameters
    total = plan.steps * plan.batch_tokens
    flops = model.flops_per_token(config.loader.sequence)
    # bf16 weights and gradients, float32 master copy and two moments (AdamW's upper bound).
    training = weights * (2 + 2 + 4 + 8)
    cache = 2 * model.layers * model.kv_heads * 64 * model.context_length * 2
    table = Table("quantity", "value", title=str(path))
    table.add_row("parameters", f"{weights / 1e6:.2f}M")
    table.add_row("tokens planned", f"{total / 1e6:.1f}M ({total / weights:.1f} a parameter)")
    table.add_row("tokens wanted (20 a parameter)", f"{20 * weights / 1e6:.0f}M")
    table.add_row("training FLOPs", f"{flops * total:.2e}")
    table.add_row("training state, without activations", f"{training / 2**20:.0f} MiB")
    table.add_row("weights, int8", f"{weights / 2**20:.1f} MiB")
    table.add_row("KV cache, 16 bits, full context", f"{cache / 2**20:.1f} MiB")
    Console().print(table)
    return 0
