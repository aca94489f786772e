"""Rows of tokens in a seeded order that does not depend on what was read before.

The split is cut into blocks of nearly a row each, across file borders, so that small files of a
package share a row. Row `i` of a pass is a function of the seed, the pass and `i`: a run can go
on anywhere, and every pass sees other cuts (each file is cut and encoded anew).
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m31r_core.shards import TokenDataset
from m31r_core.tokenizer import END, PAD, Tokenizer
from m31r_train.config import LoaderConfig
from m31r_train.examples import make_example

# Room that special tokens, paths and tokens split by cuts take in a row of 1,024.
_FILL = 0.94
# A remainder shorter than this, in tokens, is not worth an example.
_SMALLEST = 24


@dataclass(frozen=True)
class Batch:
    """Rows as arrays [rows, sequence]: inputs and targets int64, weights float32.

    `weights` is 0 where the target is padding and the loader's `end_weight` where it is the end
    of a middle.
    """

    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]
    weights: NDArray[np.float32]


class RowLoader:
    """Makes rows of `config.sequence` + 1 tokens from one split of a dataset."""

    def __init__(
        self, dataset: TokenDataset, tokenizer: Tokenizer, config: LoaderConfig, seed: int
    ) -> None:
        """Read the documents' lengths; nothing else is kept in memory."""
        self._dataset, self._tokenizer, self._config, self._seed = dataset, tokenizer, config, seed
        self._starts = np.concatenate([[0], np.cumsum(dataset.lengths)])
        self._block = int(config.sequence * _FILL)

    @property
    def rows_per_pass(self) -> int:
        """Number of rows that show the whole split once."""
        return max(1, int(self._starts[-1]) // self._block)

    def row(self, number: int) -> list[int]:
        """Return row `number`, counted over all passes: sequence + 1 ids."""
        turn, i = divmod(number, self.rows_per_pass)
        rng = random.Random(f"{self._seed}/{turn}/{i}")
        shift = random.Random(f"{self._seed}/{turn}").randrange(self._block)
        first = shift + self._order(turn, i) * self._block
        ids: list[int] = []
        for document, start, end in self._pieces(first, first + self._block):
            for example in self._examples(document, start, end, rng):
                ids += self._fit(example, self._config.sequence + 1 - len(ids))
        return ids + [PAD] * (self._config.sequence + 1 - len(ids))

    def batch(self, first: int, rows: int) -> Batch:
        """Return rows `first` to `first + rows - 1`."""
        data = np.array([self.row(first + i) for i in range(rows)], dtype=np.int64)
        targets = data[:, 1:]
        weights = np.where(targets == END, self._config.end_weight, 1.0)
        weights[targets == PAD] = 0.0
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

    def _order(self, turn: int, i: int) -> int:
        """Return the block at place `i` of a pass: a permutation that needs no memory.

        A Feistel network over the smallest square that holds all places, walked until it lands
        on one of them (Black & Rogaway 2002).
        """
        count = self.rows_per_pass
        side = max(2, int(np.ceil(np.sqrt(count))))
        keys = [random.Random(f"{self._seed}/{turn}/{key}").getrandbits(64) for key in range(4)]
        while True:
            left, right = divmod(i, side)
            for key in keys:
                mixed = ((right ^ key) * 0x9E3779B97F4A7C15 >> 29) & 0xFFFFFFFF
                left, right = right, (left + mixed) % side
            i = left * side + right
            if i < count:
                return i

    def _pieces(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield (document, from, to) for what lies in the split's tokens [start, end)."""
        document = int(np.searchsorted(self._starts, start, side="right")) - 1
        while document < len(self._dataset) and (begins := int(self._starts[document])) < end:
            length = int(self._starts[document + 1]) - begins
            yield document, max(start - begins, 0), min(end - begins, length)
            document += 1

    def _examples(
        self, document: int, start: int, end: int, rng: random.Random
    ) -> Iterator[list[int]]:
        """Yield the examples of one piece, lengths drawn evenly on a logarithmic scale."""
        ids = self._dataset.document(document)
        path = self._dataset.record(document).path
        while start < end:
            low, high = self._config.min_example, self._config.sequence
            wanted = int(low * (high / low) ** rng.random())
            stop = end if end - start - wanted < low else start + wanted
            text = self._tokenizer.decode(ids[start:stop]).rstrip("\ufffd")
            if start > 0:
                text = text[text.find("\n") + 1 :]
            if text and stop - start >= _SMALLEST:
                ends = stop == len(ids)
                config = self._config
                yield make_example(self._tokenizer, path, text, config, rng, ends=ends)
            start = stop

    @staticmethod
    def _fit(example: list[int], room: int) -> list[int]:
        """Cut what is too long at its end; leave out what would hardly begin."""
        return example[:room] if room >= _SMALLEST else []
