"""`m31r-train tokenizer`: train the vocabulary, and measure several sizes against each other."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from m31r_core.tokenizer import Tokenizer, train_tokenizer
from m31r_data.build import build_dataset, kept_documents
from m31r_data.config import DataConfig
from m31r_data.split import split_of

_MEASURED_BYTES = 4_000_000


@dataclass(frozen=True)
class VocabularyRow:
    """One line of the table that the size is chosen from.

    `flops_per_byte` is 2 x (weights of the blocks + weights of the output layer) over the bytes
    a token stands for: what decoding one byte of text costs, in floating-point operations.
    """

    vocab_size: int
    bytes_per_token: float
    output_weights: int
    output_share: float
    flops_per_byte: float


class Sample:
    """Texts of the train split on disk, so that many vocabularies can be trained on them."""

    def __init__(self, config: DataConfig, workers: int) -> None:
        """Prepare the sources; take `sample_share` of the train files, and some of valid."""
        self._folder = tempfile.TemporaryDirectory(prefix="m31r-sample-")
        self._train = Path(self._folder.name) / "train"
        self._valid = Path(self._folder.name) / "valid"
        limit = int(config.tokenizer.sample_share * 2**32)
        build_dataset(config, workers=workers, until="dedup")
        with self._train.open("wb") as train, self._valid.open("wb") as valid:
            for document in kept_documents(config):
                split = split_of(document.package, config.splits)
                chosen = int(document.sha256[:8], 16) < limit
                if split == "train" and chosen:
                    _write(train, document.text)
                elif split == "valid" and valid.tell() < _MEASURED_BYTES:
                    _write(valid, document.text)

    def train(self) -> Iterator[str]:
        """Yield the texts to train on."""
        return _read(self._train)

    def valid(self) -> Iterator[str]:
        """Yield texts of the valid split, about 4 MB."""
        return _read(self._valid)

    def close(self) -> None:
        """Remove the texts from disk."""
        self._folder.cleanup()


def vocabulary_table(
    sample: Sample, sizes: Sequence[int], *, hidden_size: int, block_weights: int
) -> list[VocabularyRow]:
    """Train a vocabulary of each size and measure it on the valid split."""
    return [
        _measure(train_tokenizer(sample.train(), size), sample, hidden_size, block_weights)
        for size in sizes
    ]


def _measure(
    tokenizer: Tokenizer, sample: Sample, hidden_size: int, block_weights: int
) -> VocabularyRow:
    tokens = text_bytes = 0
    for text in sample.valid():
        tokens += len(tokenizer.encode(text))
        text_bytes += len(text.encode())
    per_token = text_bytes / tokens
    output = tokenizer.vocab_size * hidden_size
    total = block_weights + output
    return VocabularyRow(
        tokenizer.vocab_size, per_token, output, output / total, 2 * total / per_token
    )


def _write(file: BinaryIO, text: str) -> None:
    file.write(json.dumps(text).encode() + b"\n")


def _read(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for line in file:
            yield json.loads(line)
