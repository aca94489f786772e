"""Pairs of documents on disk, in order: written a run at a time, read merged, a part at a time.

A pair is a key, the later document's number in the upper 32 bits and the earlier one's in the lower
ones: keys in order are pairs in order of the document that is to be decided.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from m31r_data.dedup.shingles import distinct

Keys = NDArray[np.uint64]
Pairs = NDArray[np.int64]

# Keys that a merge holds, and the fewest of each run, which is a page of a file.
_HELD, _LEAST = 131_072, 512
_NO_LIMIT = np.uint64(2**64 - 1)


@dataclass(frozen=True)
class Run:
    """`length` different keys in order, in a file from byte `start` on."""

    file: BinaryIO
    start: int
    length: int

    def read(self, begin: int, count: int) -> Keys:
        """Return at most `count` keys, from number `begin` on."""
        count = min(count, self.length - begin)
        data = os.pread(self.file.fileno(), 8 * count, self.start + 8 * begin)
        return np.frombuffer(data, dtype="<u8")


def run_of(file: BinaryIO) -> Run:
    """Return all of a file as a run."""
    return Run(file, 0, os.fstat(file.fileno()).st_size // 8)


def write_run(file: BinaryIO, pairs: Pairs) -> Run:
    """Append pairs, int64 [pairs, 2] with the earlier document first, to a file as a run."""
    keys = distinct(np.sort(keys_of(pairs)))
    start = file.seek(0, os.SEEK_END)
    keys.astype("<u8", copy=False).tofile(file)
    return Run(file, start, len(keys))


def keys_of(pairs: Pairs) -> Keys:
    """Return the key of each pair: uint64 [pairs]."""
    first, second = pairs.astype(np.uint64).T
    keys: Keys = second << np.uint64(32) | first
    return keys


def pairs_of(keys: Keys) -> Pairs:
    """Return the pairs of keys, int64 [pairs, 2], the earlier document first."""
    pairs = np.stack([keys & np.uint64(0xFFFF_FFFF), keys >> np.uint64(32)], axis=1)
    return pairs.astype(np.int64)


def merged(runs: Sequence[Run], *, held: int = _HELD, least: int = _LEAST) -> Iterator[Keys]:
    """Yield the keys of all runs, in order and once each, in arrays of at most `held`.

    Of each run at least `least` keys are held, which then is the limit.
    """
    part = max(held // max(len(runs), 1), least)
    heads = [run.read(0, part) for run in runs]
    ends = [len(head) for head in heads]
    while any(map(len, heads)):
        # Up to the least key behind which something is unread, all are here.
        unread = [
            head[-1] for head, end, run in zip(heads, ends, runs, strict=True) if end < run.length
        ]
        limit = min(unread, default=_NO_LIMIT)
        taken = []
        for number, (head, run) in enumerate(zip(heads, runs, strict=True)):
            cut = int(np.searchsorted(head, limit, side="right"))
            taken.append(head[:cut])
            rest = head[cut:]
            if not len(rest):
                rest = run.read(ends[number], part)
                ends[number] += len(rest)
            heads[number] = rest
        yield distinct(np.sort(np.concatenate(taken)))
