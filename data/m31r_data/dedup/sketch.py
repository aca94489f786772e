"""What is remembered of a text to find its duplicates: a few numbers, in files that add up.

A unit of documents has two numpy files, the same bytes whenever and wherever they are written:

    columns.npy  uint64 [4 + bands, documents]: two words of `exact`, number of shingles, end of the
                 document's part of bottom.npy, then one row for each band
    bottom.npy   uint32: `bottom` of each document, one after the other

Rows are contiguous, so that a band is one read. A document takes 8 * (4 + bands) + 4 * sketch bytes
at most: 150 million documents of usual length, 1 TB of text, take 24 GB of columns and 430 GB of
bottoms with 16 bands and sketches of 1,024. Half as large a sketch takes 60% of the space.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from m31r_core.errors import M31RError
from m31r_data.config import DedupConfig
from m31r_data.dedup.shingles import (
    WHITE_SPACE,
    Hashes,
    distinct,
    mix,
    shingle_hashes,
    token_hashes,
)

_COLUMNS = "columns.npy"
_BOTTOM = "bottom.npy"
_EXACT, _SIZE, _END, _BANDS = slice(0, 2), 2, 3, 4


@dataclass(frozen=True)
class Sketch:
    """A text in numbers.

    `exact` is shared by texts that differ only in white space. `bands`, uint64 [bands], has an
    equal value in two sketches with a probability of (Jaccard similarity of their shingles) to the
    power of rows. `bottom`, uint32 [at most sketch], are the smallest of the `size` different
    shingle hashes, from small to large.
    """

    exact: bytes
    bands: Hashes
    bottom: NDArray[np.uint32]
    size: int


def sketch_of(text: str, config: DedupConfig) -> Sketch:
    """Return the sketch of `text`."""
    compact = text.encode("utf-8", errors="surrogatepass").translate(None, WHITE_SPACE)
    exact = hashlib.blake2b(compact, digest_size=16).digest()
    shingles = shingle_hashes(token_hashes(text), config.shingle)
    bands = _bands(shingles, config.bands, config.rows)
    # Half of a hash tells shingles apart as well, and takes half of the disk.
    short = distinct((shingles >> np.uint64(32)).astype(np.uint32))
    return Sketch(exact, bands, short[: config.sketch].copy(), len(short))


def _bands(shingles: Hashes, bands: int, rows: int) -> Hashes:
    """Return a hash for each band: uint64 [bands].

    One-permutation MinHash: the range of the hashes is cut into bands * rows bins, of which each
    gives its least hash. An empty bin takes that of another, the first with any in an order of its
    own (A. Shrivastava, "Optimal Densification for Fast and Accurate Minwise Hashing", 2017).
    """
    if not len(shingles):
        return np.zeros(bands, dtype=np.uint64)
    bins = bands * rows
    first = np.searchsorted(shingles, _bounds(bins))
    full = np.diff(first, append=len(shingles)) > 0
    source = np.arange(bins)
    if not full.all():
        empty = np.flatnonzero(~full)
        order = _orders(bins)[empty]
        source[empty] = order[np.arange(len(empty)), full[order].argmax(axis=1)]
    least = shingles[first[source]].reshape(bands, rows)
    hashes = np.zeros(bands, dtype=np.uint64)
    for row in range(rows):
        hashes = mix(hashes * np.uint64(31) + least[:, row])
    return hashes


@cache
def _bounds(bins: int) -> Hashes:
    """Return where bins of the range of a hash begin: uint64 [bins]."""
    edges = [number * 2**64 // bins for number in range(bins)]
    return np.array(edges, dtype=np.uint64)


@cache
def _orders(bins: int) -> NDArray[np.int64]:
    """Return an order of all bins for each bin, int64 [bins, bins]: where it looks when empty."""
    chance = mix(np.arange(1, bins * bins + 1, dtype=np.uint64)).reshape(bins, bins)
    return np.argsort(chance, axis=1, kind="stable")


def write_sketches(folder: Path, sketches: Sequence[Sketch]) -> None:
    """Write the sketches of one unit, none or more, in their order into `folder`."""
    bands = len(sketches[0].bands) if sketches else 0
    columns = np.zeros((_BANDS + bands, len(sketches)), dtype="<u8")
    if sketches:
        exact = b"".join(one.exact for one in sketches)
        columns[_EXACT] = np.frombuffer(exact, dtype="<u8").reshape(-1, 2).T
        columns[_SIZE] = [one.size for one in sketches]
        columns[_END] = np.cumsum([len(one.bottom) for one in sketches])
        columns[_BANDS:] = np.stack([one.bands for one in sketches], axis=1)
    bottom = [one.bottom.astype("<u4") for one in sketches]
    np.save(folder / _COLUMNS, columns, allow_pickle=False)
    np.save(folder / _BOTTOM, np.concatenate([np.zeros(0, "<u4"), *bottom]), allow_pickle=False)


class Rows(NamedTuple):
    """Some documents of a file: uint64 [2, documents], int64 [documents] twice, uint32.

    `bottom` holds `counts` hashes of each document, one after the other. Where that is its size,
    they are all that it has.
    """

    exact: Hashes
    sizes: NDArray[np.int64]
    counts: NDArray[np.int64]
    bottom: NDArray[np.uint32]


@dataclass(frozen=True)
class SketchFile:
    """The sketches of one unit on disk. Nothing is kept in memory but their number, its length."""

    folder: Path

    def __len__(self) -> int:
        """Return the number of documents."""
        return self._documents

    def exact(self) -> Hashes:
        """Return one word of what texts share that differ only in white space, uint64."""
        return np.array(self._columns[0])

    def band(self, band: int) -> Hashes:
        """Return the values of one band: uint64 [documents]."""
        return np.array(self._columns[_BANDS + band]) if len(self) else np.zeros(0, dtype="<u8")

    def rows(self, documents: NDArray[np.int64]) -> Rows:
        """Return what decides whether `documents` are duplicates."""
        columns = self._columns
        ends = columns[_END].astype(np.int64)
        starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1]])[documents]
        counts = ends[documents] - starts
        bottom = self._map(_BOTTOM)[ranges(starts, counts)]
        sizes = columns[_SIZE][documents].astype(np.int64)
        return Rows(np.array(columns[_EXACT][:, documents]), sizes, counts, np.array(bottom))

    @cached_property
    def _documents(self) -> int:
        return int(self._columns.shape[1])

    @property
    def _columns(self) -> Hashes:
        columns: Hashes = self._map(_COLUMNS)
        return columns

    def _map(self, name: str) -> Any:
        """Map a file. Its pages leave memory with the array."""
        path = self.folder / name
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise M31RError(f"{path}: damaged ({error}); delete it and build again") from error


def ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return start, start + 1, … for each start, count of them, one after the other."""
    total = int(counts.sum())
    before = np.cumsum(counts) - counts
    places: NDArray[np.int64] = np.arange(total) + np.repeat(starts - before, counts)
    return places
