"""What followed the last tokens in other files of the workspace: drafts, of bounded memory.

A table from a hash of n tokens to the token that came behind them last. A wrong entry costs a
rejected draft and nothing else: the model verifies every token.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ORDER = 4
_BITS = 18
_NONE = -1
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class NgramCache:
    """Learns files as token ids; 4 MB whatever their number."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._next = np.full(1 << _BITS, _NONE, np.int32)
        # The other bits of the hash: tells most collisions from hits.
        self._tags = np.zeros(1 << _BITS, np.uint32)

    def learn(self, ids: Sequence[int]) -> None:
        """Note what follows each run of `ORDER` tokens; what was noted before is replaced."""
        if len(ids) <= ORDER:
            return
        places, tags = _hash(np.lib.stride_tricks.sliding_window_view(np.asarray(ids), ORDER)[:-1])
        self._next[places] = ids[ORDER:]
        self._tags[places] = tags

    def following(self, context: Sequence[int], n: int) -> list[int]:
        """Return up to `n` tokens that may come behind `context`."""
        ids = list(context[-ORDER:])
        if len(ids) < ORDER:
            return []
        found: list[int] = []
        while len(found) < n:
            places, tags = _hash(np.array([ids]))
            token = int(self._next[places[0]])
            if token == _NONE or self._tags[places[0]] != tags[0]:
                break
            found.append(token)
            ids = [*ids[1:], token]
        return found


def _hash(windows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Return for windows [n, ORDER] their places in the table and tags."""
    value = np.zeros(len(windows), np.uint64)
    for column in range(ORDER):
        value = (value ^ windows[:, column].astype(np.uint64)) * _MULTIPLIER
        value ^= value >> np.uint64(29)
    return (value >> np.uint64(64 - _BITS)).astype(np.int64), value.astype(np.uint32)
