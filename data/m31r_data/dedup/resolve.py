"""Which documents go: candidates are decided by their sketches, then the earlier document stays.

Pairs are decided in blocks. In memory stay 13 bytes for each document, 8 for each pair and 150 MB
for a block: 150 million documents with 40 million candidates take 3 GB and, at 12 microseconds a
pair, ten minutes. Each block reads from most units, which should then be of 256 MB or more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m31r_data.config import DedupConfig
from m31r_data.dedup.bands import Pairs
from m31r_data.dedup.shingles import distinct
from m31r_data.dedup.sketch import Rows, SketchFile

DUPLICATE = np.dtype([("document", "<i8"), ("kept", "<i8"), ("similarity", "<f4"), ("exact", "?")])

# Pairs whose sketches are read at a time, and of these, counted at a time.
_BLOCK = 16_384
_PART = 256

Similarities = NDArray[np.float32]
Flags = NDArray[np.bool_]


def duplicates(files: Sequence[SketchFile], pairs: Iterable[Pairs], config: DedupConfig) -> Any:
    """Return the documents to drop, in order: a record array of DUPLICATE.

    Two documents are duplicates if their texts differ only in white space (`exact`) or their
    similarity is at least `config.jaccard`. In order of documents, one is dropped if an earlier
    one has its text, or if it is a duplicate of an earlier one that stays. `kept` is the first
    that stays of those; when the one with its text was dropped, it is what that was dropped for.
    """
    unique = _unique(pairs)
    similarity, exact = similarities(files, unique)
    passed = np.flatnonzero(exact | (similarity >= config.jaccard))
    passed = passed[np.lexsort((unique[passed, 0], ~exact[passed], unique[passed, 1]))]
    return _decide(unique[passed], similarity[passed], exact[passed], sum(map(len, files)))


def similarities(files: Sequence[SketchFile], pairs: Pairs) -> tuple[Similarities, Flags]:
    """Return the Jaccard similarity of pairs, float32 [pairs], and whether they have one text.

    It is exact for documents that have no more shingles than a sketch holds. Otherwise it is that
    of all shingle hashes up to the greatest that both sketches are sure to hold (E. Cohen and H.
    Kaplan, "Summarizing Data using Bottom-k Sketches", 2007), and not more than sizes allow.
    Quickest for pairs in order.
    """
    similarity, exact = np.zeros(len(pairs), dtype=np.float32), np.zeros(len(pairs), dtype=bool)
    starts = np.cumsum([0, *map(len, files)])
    for start in range(0, len(pairs), _BLOCK):
        block = pairs[start : start + _BLOCK]
        documents, places = np.unique(block, return_inverse=True)
        rows = _read(files, starts, documents)
        first, second = places.reshape(-1, 2).T
        end = start + len(block)
        exact[start:end] = (rows.exact[:, first] == rows.exact[:, second]).all(axis=0)
        for at in range(0, len(block), _PART):
            part = slice(at, at + _PART)
            similarity[start + at : end][:_PART] = _jaccard(rows, first[part], second[part])
    return similarity, exact


def _unique(pairs: Iterable[Pairs]) -> Pairs:
    """Return each pair once, in order; in between, one is 8 bytes."""
    keys = np.zeros(0, dtype=np.int64)
    for some in pairs:
        keys = distinct(np.sort(np.concatenate([keys, some[:, 0] << 32 | some[:, 1]])))
    return np.stack([keys >> 32, keys & 0xFFFF_FFFF], axis=1)


def _read(
    files: Sequence[SketchFile], starts: NDArray[np.int64], documents: NDArray[np.int64]
) -> Rows:
    """Read the rows of documents, given in order, from the files that have them."""
    cuts = np.searchsorted(documents, starts)
    found = [
        files[number].rows(documents[cuts[number] : cuts[number + 1]] - starts[number])
        for number in np.flatnonzero(np.diff(cuts)).tolist()
    ]
    exact, sizes, counts, bottom = zip(*found, strict=True)
    return Rows(
        np.concatenate(exact, axis=1),
        np.concatenate(sizes),
        np.concatenate(counts),
        np.concatenate(bottom),
    )


def _jaccard(
    rows: Rows, first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the similarities of pairs of rows, float64 [pairs]."""
    ends = np.cumsum(rows.counts)
    last = np.zeros(len(ends), dtype=np.int64)
    last[rows.counts > 0] = rows.bottom[ends[rows.counts > 0] - 1]
    sure = np.where(rows.counts < rows.sizes, last, 2**32 - 1)
    place = np.arange(len(first)) << 32
    limit = place | np.minimum(sure[first], sure[second])
    keys, within = [], np.zeros(len(first), dtype=np.int64)
    for side in (first, second):
        counts = rows.counts[side]
        spans = zip((ends[side] - counts).tolist(), ends[side].tolist(), strict=True)
        hashes = np.concatenate([rows.bottom[start:end] for start, end in spans])
        keys.append(np.repeat(place, counts) | hashes)
        within += np.searchsorted(keys[-1], limit, side="right") - (np.cumsum(counts) - counts)
    # Two sorted runs: a stable sort merges them. What both have is within the limit.
    merged = np.sort(np.concatenate(keys), kind="stable")
    shared = merged[1:][merged[1:] == merged[:-1]] >> 32
    common = np.bincount(shared, minlength=len(first))
    less, more = np.sort([rows.sizes[first], rows.sizes[second]], axis=0)
    found: NDArray[np.float64] = np.minimum(
        common / np.maximum(within - common, 1), less / np.maximum(more, 1)
    )
    return found


def _decide(pairs: Pairs, similarity: Similarities, exact: Flags, documents: int) -> Any:
    """Return the duplicates among `documents`; pairs are ordered by their second document."""
    columns = np.full(documents, -1, "<i8"), np.zeros(documents, "<f4"), np.zeros(documents, "?")
    # Views of plain memory: an element of them costs a fifth of one of an array.
    kept, value, same = (memoryview(column.data) for column in columns)
    for start in range(0, len(pairs), _BLOCK):
        part = slice(start, start + _BLOCK)
        for (first, second), near, is_exact in _rows(pairs[part], similarity[part], exact[part]):
            if kept[second] >= 0:
                continue
            if kept[first] < 0:
                kept[second], value[second], same[second] = first, near, is_exact
            elif is_exact:
                kept[second], value[second], same[second] = kept[first], value[first], same[first]
    dropped = np.flatnonzero(columns[0] >= 0)
    found = np.zeros(len(dropped), dtype=DUPLICATE)
    found["document"] = dropped
    for name, column in zip(("kept", "similarity", "exact"), columns, strict=True):
        found[name] = column[dropped]
    return found.view(np.recarray)


def _rows(*columns: NDArray[Any]) -> Iterator[Any]:
    return zip(*(column.tolist() for column in columns), strict=True)
