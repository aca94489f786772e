"""The files of a workspace as a dataset, so that the loader and the evaluation can read them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
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
_STOP_SEED = 1
# Rows that the loss for stopping is taken on: at least, at most.
_STOP_ROWS = (16, 32)


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
    dataset = TokenDataset.open(directory, "valid")
    loader = RowLoader(dataset, tokenizer, config, _STOP_SEED)
    least, most = _STOP_ROWS
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
