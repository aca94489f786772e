"""What every source of rows has in common: row `i` is a function of the seed and `i`."""

from __future__ import annotations

import random
import signal
from abc import ABC, abstractmethod
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from m31r_core.errors import M31RError
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

    def batches(
        self, first: int, rows: int, *, step: int | None = None, workers: int = 0
    ) -> Generator[Batch, None, None]:
        """Yield batches of `rows`, without end, the first from row `first` on.

        Each starts `step` rows (default: `rows`) after the one before. They are made ahead: by
        `workers` processes, or by a thread when there are none; the batches are the same.
        """
        numbered = _Batches(self, first, rows, rows if step is None else step)
        return _from_processes(numbered, workers) if workers else _from_thread(numbered)

    def padded(self, ids: list[int]) -> list[int]:
        """Fill a row up."""
        return ids + [PAD] * (self.config.sequence + 1 - len(ids))


class _Batches(Dataset[Batch]):
    """Batch i as a function of i, as a DataLoader wants it."""

    def __init__(self, source: Rows, first: int, rows: int, step: int) -> None:
        self._source, self._first, self._rows, self._step = source, first, rows, step

    def __getitem__(self, i: int) -> Batch:
        return self._source.batch(self._first + i * self._step, self._rows)


def _from_thread(batches: _Batches) -> Generator[Batch, None, None]:
    """Yield batches, one made ahead."""
    with ThreadPoolExecutor(1, thread_name_prefix="rows") as pool:
        ahead = pool.submit(batches.__getitem__, 0)
        for i in count(1):
            ready = ahead.result()
            ahead = pool.submit(batches.__getitem__, i)
            yield ready


def _from_processes(batches: _Batches, workers: int) -> Generator[Batch, None, None]:
    """Yield batches, two a worker made ahead. Raises M31RError when a worker dies."""
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=count(),
        num_workers=workers,
        worker_init_fn=_leave_signals_to_the_run,
        # Forked workers share the memory-mapped shards and what was computed from them.
        multiprocessing_context="fork",
        # The loader draws a seed: not from the run's generator.
        generator=torch.Generator(),
    )
    batch_stream = iter(loader)
    while True:
        try:
            batch = next(batch_stream)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise M31RError(f"a process of 'loader_workers' ended: {reason}") from error
        yield batch


def _leave_signals_to_the_run(_: int) -> None:
    """Ignore what a terminal or torchrun sends to the whole group: the run ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


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
