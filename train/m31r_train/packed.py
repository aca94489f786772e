"""Rows of ready-made examples, which stand in them whole: none is cut by the end of a row.

Examples are packed once, best fit, from their lengths alone; a pass shows the rows in an order of
its own. A row reads only the examples that stand in it.
"""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np
from numpy.typing import NDArray

from m31r_core.errors import M31RError
from m31r_core.shards import TokenDataset
from m31r_train.config import LoaderConfig
from m31r_train.rows import Rows, shuffled

# Rows that an example is fitted into before the fullest is closed.
_OPEN_ROWS = 256


class PackedLoader(Rows):
    """Makes rows of one set's examples."""

    def __init__(
        self, dataset: TokenDataset, config: LoaderConfig, seed: int, *, name: str
    ) -> None:
        """Pack all examples. Raises M31RError, saying `name`, when none fits into a row."""
        super().__init__(config)
        self._dataset, self._seed = dataset, seed
        lengths = dataset.lengths
        fitting = np.flatnonzero(lengths <= config.sequence + 1)
        if not len(fitting):
            raise M31RError(f"{name}: no example fits into 'loader.sequence' = {config.sequence}")
        self._name, self._too_long = name, len(lengths) - len(fitting)
        # RandomState, whose numbers are the same in all versions of numpy.
        order = fitting[np.random.RandomState(seed % 2**32).permutation(len(fitting))]
        row_of = pack(lengths[order], config.sequence + 1)
        self._examples = order[np.argsort(row_of, kind="stable")]
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(row_of))])

    @property
    def rows_per_pass(self) -> int:
        """Number of rows that show every example once."""
        return len(self._starts) - 1

    @property
    def notes(self) -> tuple[str, ...]:
        """How many examples no row shows, if there are any."""
        if not self._too_long:
            return ()
        count = len(self._examples) + self._too_long
        return (f"{self._name}: {self._too_long:,} of {count:,} examples are longer than a row",)

    def row(self, number: int) -> list[int]:
        """Return row `number`, counted over all passes: sequence + 1 ids."""
        turn, i = divmod(number, self.rows_per_pass)
        row = shuffled(i, self.rows_per_pass, f"{self._seed}/{turn}")
        ids: list[int] = []
        for example in self._examples[self._starts[row] : self._starts[row + 1]]:
            ids += self._dataset.document(int(example)).tolist()
        return self.padded(ids)


def pack(lengths: NDArray[np.int64], room: int) -> NDArray[np.int64]:
    """Return the row, int64 [examples], that each example stands in, for rows of `room` tokens.

    Best fit: each goes where the least room is left, among the rows that are still open. No
    length may be more than `room`.
    """
    row_of = np.zeros(len(lengths), dtype=np.int64)
    free: list[tuple[int, int]] = []  # (room left, row), sorted
    rows = 0
    for i, length in enumerate(lengths.tolist()):
        place = bisect_left(free, (length, 0))
        if place < len(free):
            left, row = free.pop(place)
        else:
            left, row, rows = room, rows, rows + 1
        row_of[i] = row
        if left > length:
            insort(free, (left - length, row))
        if len(free) > _OPEN_ROWS:
            free.pop(0)
    return row_of
