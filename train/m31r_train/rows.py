"""What every source of rows has in common: row `i` is a function of the seed and `i`."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m31r_core.prompt import given
from m31r_core.tokenizer import END, PAD
from m31r_train.config import LoaderConfig


@dataclass(frozen=True)
class Batch:
    """Rows as arrays [rows, sequence]: inputs and targets int64, weights float32.

    `weights` is 0 where the target is padding or given (what rustc says, and the lines it says it
    of), and the loader's `end_weight` where it is the end of a middle.
    """

    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]
    weights: NDArray[np.float32]


class Rows(ABC):
    """An endless sequence of rows of `config.sequence` + 1 ids, to be entered anywhere."""

    def __init__(self, config: LoaderConfig) -> None:
        """Make rows as `config` says."""
        self.config = config

    @abstractmethod
    def row(self, number: int) -> list[int]:
        """Return row `number`: sequence + 1 ids."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What whoever trains on the rows should know, a line each."""
        return ()

    def batch(self, first: int, rows: int) -> Batch:
        """Return rows `first` to `first + rows - 1`."""
        data = np.array([self.row(first + i) for i in range(rows)], dtype=np.int64)
        targets = data[:, 1:]
        weights = np.where(targets == END, self.config.end_weight, 1.0)
        weights[(targets == PAD) | given(targets)] = 0.0
        return Batch(data[:, :-1], targets, weights.astype(np.float32))

    def batches(self, first: int, rows: int) -> Generator[Batch, None, None]:
        """Yield batches of `rows` from row `first` on, without end, one made ahead."""
        with ThreadPoolExecutor(1, thread_name_prefix="rows") as pool:
            ahead = pool.submit(self.batch, first, rows)
            while True:
                ready = ahead.result()
                first += rows
                ahead = pool.submit(self.batch, first, rows)
                yield ready

    def padded(self, ids: list[int]) -> list[int]:
        """Fill a row up."""
        return ids + [PAD] * (self.config.sequence + 1 - len(ids))


def shuffled(i: int, count: int, seed: str) -> int:
    """Return what stands at place `i` of a permutation of `count` that needs no memory.

    A Feistel network over the smallest square that holds all places, walked until it lands on
    one of them (Black & Rogaway 2002).
    """
    side = max(2, int(np.ceil(np.sqrt(count))))
    keys = [random.Random(f"{seed}/{key}").getrandbits(64) for key in range(4)]
    while True:
        left, right = divmod(i, side)
        for key in keys:
            mixed = ((right ^ key) * 0x9E3779B97F4A7C15 >> 29) & 0xFFFFFFFF
            left, right = right, (left + mixed) % side
        i = left * side + right
        if i < count:
            return i
