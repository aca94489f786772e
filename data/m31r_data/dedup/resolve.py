"""Which documents go: candidates are decided by their sketches, then the earlier document stays.

Pairs come from disk in order of their later document and are decided in blocks. In memory stay 5
bytes for each document and 60 MB for a block: 150 million documents take 0.8 GB. Each block reads
from most units, a tenth of a millisecond each: for that many documents units should be of 64 MB or
more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m31r_data.config import DedupConfig
from m31r_data.dedup.runs import Keys, Pairs, Run, merged, pairs_of
from m31r_data.dedup.sketch import Rows, SketchFile

DUPLICATE = np.dtype([("document", "<i8"), ("kept", "<i8"), ("exact", "?")])

# Pairs whose sketches are read at a time, and of these, counted at a time.
_BLOCK = 2048
_PART = 128
_STAYS = 2**32 - 1

Similarities = NDArray[np.float32]
Flags = NDArray[np.bool_]


def duplicates(
    files: Sequence[SketchFile], runs: Sequence[Run], config: DedupConfig
) -> Iterator[Any]:
    """Yield the documents to drop, in order: record arrays of DUPLICATE.

    Two documents are duplicates if their texts differ only in white space (`exact`) or their
    similarity is at least `config.jaccard`. In order of documents, one is dropped if an earlier
    one has its text, or if it is a duplicate of an earlier one that stays. `kept` is the first
    that stays of those; when the one with its text was dropped, it is what that was dropped for.
    """
    documents = sum(map(len, files))
    kept, exactly = np.full(documents, _STAYS, "<u4"), np.zeros(documents, "?")
    for keys in _whole_documents(merged(runs)):
        pairs = pairs_of(keys)
        similarity, exact = similarities(files, pairs)
        passed = np.flatnonzero(exact | (similarity >= config.jaccard))
        passed = passed[np.lexsort((pairs[passed, 0], ~exact[passed], pairs[passed, 1]))]
        yield _decide(pairs[passed], exact[passed], kept, exactly)


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


def _whole_documents(blocks: Iterable[Keys]) -> Iterator[Keys]:
    """Yield the keys in order such that those of one later document come together."""
    rest = np.zeros(0, dtype=np.uint64)
    for block in blocks:
        keys = np.concatenate([rest, block])
        later = keys >> np.uint64(32)
        end = int(np.searchsorted(later, later[-1]))
        yield keys[:end]
        rest = keys[end:]
    yield rest


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


def _decide(pairs: Pairs, exact: Flags, kept: NDArray[np.uint32], exactly: Flags) -> Any:
    """Return the duplicates among the later documents of pairs, which are in order of these.

    `kept` and `exactly` are of all documents, and changed: what each is a duplicate of, and how.
    """
    # Views of plain memory: an element of them costs a fifth of one of an array.
    of, same = memoryview(kept.data), memoryview(exactly.data)
    dropped = []
    for (first, second), is_exact in zip(pairs.tolist(), exact.tolist(), strict=True):
        if of[second] != _STAYS:
            continue
        if of[first] == _STAYS:
            of[second], same[second] = first, is_exact
        elif is_exact:
            of[second], same[second] = of[first], same[first]
        else:
            continue
        dropped.append(second)
    found = np.zeros(len(dropped), dtype=DUPLICATE)
    found["document"] = dropped
    found["kept"], found["exact"] = kept[dropped], exactly[dropped]
    return found.view(np.recarray)
