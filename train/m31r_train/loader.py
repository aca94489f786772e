"""Rows of code, cut and shown in other ways in every pass, in an order that the seed gives.

The split is cut into blocks of nearly a row each, across file borders, so that small files of a
package share a row: a dataset holds the files of a package one behind the other. Row `i` of a pass
is a function of the seed, the pass and `i`: a run can go on anywhere, and every pass sees other
cuts (each file is cut and encoded anew).
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np

from m31r_core.shards import TokenDataset
from m31r_core.tokenizer import Tokenizer
from m31r_train.config import LoaderConfig
from m31r_train.examples import make_example
from m31r_train.rows import Rows, shuffled

# Room that special tokens, paths and tokens split by cuts take in a row of 1,024.
_FILL = 0.94
# A remainder shorter than this, in tokens, is not worth an example.
_SMALLEST = 24


class RowLoader(Rows):
    """Makes rows of `config.sequence` + 1 tokens from one split of a dataset."""

    def __init__(
        self, dataset: TokenDataset, tokenizer: Tokenizer, config: LoaderConfig, seed: int
    ) -> None:
        """Read the documents' lengths; nothing else is kept in memory."""
        super().__init__(config)
        self._dataset, self._tokenizer, self._seed = dataset, tokenizer, seed
        self._documents = np.arange(len(dataset))
        if config.packing == "random":
            # RandomState, whose numbers are the same in all versions of numpy.
            np.random.RandomState(seed % 2**32).shuffle(self._documents)
        self._starts = np.concatenate([[0], np.cumsum(dataset.lengths[self._documents])])
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
                ids += self._fit(example, self.config.sequence + 1 - len(ids))
        return self.padded(ids)

    def _order(self, turn: int, i: int) -> int:
        """Return the block at place `i` of a pass."""
        return shuffled(i, self.rows_per_pass, f"{self._seed}/{turn}")

    def _pieces(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield (document, from, to) for what lies in the split's tokens [start, end)."""
        place = int(np.searchsorted(self._starts, start, side="right")) - 1
        while place < len(self._documents) and (begins := int(self._starts[place])) < end:
            length = int(self._starts[place + 1]) - begins
            yield int(self._documents[place]), max(start - begins, 0), min(end - begins, length)
            place += 1

    def _examples(
        self, document: int, start: int, end: int, rng: random.Random
    ) -> Iterator[list[int]]:
        """Yield the examples of one piece, lengths drawn evenly on a logarithmic scale."""
        ids = self._dataset.document(document)
        path = self._dataset.record(document).path
        while start < end:
            low, high = self.config.min_example, self.config.sequence
            wanted = int(low * (high / low) ** rng.random())
            stop = end if end - start - wanted < low else start + wanted
            text = self._tokenizer.decode(ids[start:stop]).rstrip("\ufffd")
            if start > 0:
                text = text[text.find("\n") + 1 :]
            if text and stop - start >= _SMALLEST:
                ends = stop == len(ids)
                config = self.config
                yield make_example(self._tokenizer, path, text, config, rng, ends=ends)
            start = stop

    @staticmethod
    def _fit(example: list[int], room: int) -> list[int]:
        """Cut what is too long at its end; leave out what would hardly begin."""
        return example[:room] if room >= _SMALLEST else []
