"""The files of a workspace as a dataset, so that the loader and the evaluation can read them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from m31r_core.shards import (
    TOKENIZER,
    DocumentRecord,
    Shard,
    ShardWriter,
    TokenDataset,
    write_manifest,
)
from m31r_core.tokenizer import Tokenizer
from m31r_train.adapt.workspace import SourceFile, Split
from m31r_train.config import LoaderConfig
from m31r_train.loader import RowLoader
from m31r_train.rows import Batch

_SHARD_TOKENS = 4_000_000
_LOSS_SEED = 1
# Rows that a loss is taken on: at least, at most. Few rows are seen again, cut in other ways.
_STOP_ROWS = (16, 32)
_HELD_BACK_ROWS = (1, 64)


def write_dataset(directory: Path, split: Split, tokenizer_file: Path) -> None:
    """Write the files as the splits train, valid (for stopping) and test (held back)."""
    directory.mkdir()
    shutil.copyfile(tokenizer_file, directory / TOKENIZER)
    parts = {"train": split.train, "valid": split.stop, "test": split.held_back}
    shards = {name: _write(directory, name, files) for name, files in parts.items()}
    write_manifest(directory, shards, {})


def open_train_rows(
    directory: Path, tokenizer: Tokenizer, config: LoaderConfig, seed: int
) -> RowLoader:
    """Return the rows to train on."""
    return RowLoader(TokenDataset.open(directory, "train"), tokenizer, config, seed)


def stop_batches(
    directory: Path, tokenizer: Tokenizer, config: LoaderConfig, rows: int
) -> list[Batch]:
    """Return batches of at most `rows` rows of the files for stopping, none of them empty."""
    return _batches(directory, "valid", tokenizer, config, rows, _STOP_ROWS)


def held_back_batches(
    directory: Path, tokenizer: Tokenizer, config: LoaderConfig, rows: int
) -> list[Batch]:
    """Return the files that are held back, read from left to right, as batches."""
    plain = replace(config, fim_share=0.0)
    return _batches(directory, "test", tokenizer, plain, rows, _HELD_BACK_ROWS)


def bytes_per_token(files: Sequence[SourceFile]) -> float:
    """Return the mean number of bytes of UTF-8 that a token of `files` stands for."""
    size = sum(len(file.document.text.encode()) for file in files)
    return size / sum(len(file.ids) for file in files)


def _batches(
    directory: Path,
    split: str,
    tokenizer: Tokenizer,
    config: LoaderConfig,
    rows: int,
    bounds: tuple[int, int],
) -> list[Batch]:
    loader = RowLoader(TokenDataset.open(directory, split), tokenizer, config, _LOSS_SEED)
    least, most = bounds
    count = min(max(loader.rows_per_pass, least), most)
    batches = [loader.batch(first, min(rows, count - first)) for first in range(0, count, rows)]
    return [batch for batch in batches if batch.weights.any()]


def _write(directory: Path, name: str, files: Sequence[SourceFile]) -> list[Shard]:
    writer = ShardWriter(directory, name, _SHARD_TOKENS)
    for file in files:
        document = file.document
        record = DocumentRecord(
            document.package, "", document.path, "", document.kind, document.sha256
        )
        writer.add(file.ids, record)
    return writer.close()
