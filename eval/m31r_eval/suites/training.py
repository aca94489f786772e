"""What training has seen, so that no task asks for it.

A task goes when its package or its file is in the training split, or when the tokens right around
its cursor stand there anywhere: code is copied between packages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m31r_core.shards import TOKENIZER, TokenDataset
from m31r_core.tokenizer import Tokenizer
from m31r_eval.progress import track

AROUND = 12
"""Tokens before and behind the cursor that must not stand in training, in this order."""

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_CHUNK = 1 << 20


class Training:
    """The training split of a dataset."""

    def __init__(self, dataset: Path) -> None:
        """Open it. Raises M31RError naming what is wrong."""
        self._split = TokenDataset.open(dataset, "train")
        self._tokenizer = Tokenizer.load(dataset / TOKENIZER)
        records = [self._split.record(i) for i in range(len(self._split))]
        self.packages = frozenset(_name(record.package) for record in records if record.package)
        self.files = frozenset(record.sha256 for record in records)

    def has_package(self, package: str) -> bool:
        """Whether any version of the package was trained on."""
        return _name(package) in self.packages

    def has_file(self, sha256: str) -> bool:
        """Whether a file with this sha256 (hexadecimal) was trained on."""
        return sha256 in self.files

    def windows(self, text: str, offsets: Sequence[int]) -> list[int | None]:
        """Return a hash of the tokens around each character offset of `text`.

        None too near to the file's ends.
        """
        ids = self._tokenizer.encode(text)
        ends = np.cumsum([len(self._tokenizer.token_bytes(token)) for token in ids])
        hashes = window_hashes(np.asarray(ids, np.uint16), 2 * AROUND)
        found: list[int | None] = []
        for offset in offsets:
            place = int(np.searchsorted(ends, len(text[:offset].encode()), side="right"))
            start = place - AROUND
            found.append(int(hashes[start]) if 0 <= start < len(hashes) else None)
        return found

    def seen(self, windows: Iterable[int]) -> frozenset[int]:
        """Return which of these hashes are of tokens that stand in training."""
        wanted = np.unique(np.fromiter(windows, np.uint64))
        found: set[int] = set()
        documents = len(self._split)
        for i in track(range(documents), "training", documents):
            hashes = window_hashes(self._split.document(i), 2 * AROUND)
            found.update(np.intersect1d(hashes, wanted).tolist())
        return frozenset(found)


def window_hashes(tokens: NDArray[np.uint16], length: int) -> NDArray[np.uint64]:
    """Return a hash [N - length + 1] uint64 of every `length` tokens in a row of `tokens` [N]."""
    count = len(tokens) - length + 1
    if count < 1:
        return np.empty(0, np.uint64)
    value = np.zeros(count, np.uint64)
    for j in range(length):
        value += tokens[j : j + count]
        value += np.uint64(1)
        value *= _MULTIPLIER
        value ^= value >> np.uint64(29)
    return value


def _name(package: str) -> str:
    return package.lower().replace("_", "-")
