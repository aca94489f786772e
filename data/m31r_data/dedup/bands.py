"""Which documents may be duplicates: those that share a value of a band, or all of their text.

Documents are numbered over all files in order. A search reads its column once for each slice of
2 million documents, and holds one slice, 200 MB, at a time. Of 150 million documents, a band is 75
reads of 2.4 GB and a few hundred MB of pairs; bands are searched independently of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from m31r_data.dedup.shingles import Hashes
from m31r_data.dedup.sketch import SketchFile

Pairs = NDArray[np.int64]

_SLICE = 2_000_000
# How many documents before it in its bucket a document is compared with, beside the first one.
# A smaller bucket is compared whole; a huge one costs no more for each document.
_WINDOW = 8


class _Slice(NamedTuple):
    """Documents whose values fall into one slice, with the others that have the same value.

    Each is int64 or uint64 [documents], ordered by (value, exact, document).
    """

    values: Hashes
    exact: Hashes
    documents: NDArray[np.int64]


def candidate_pairs(files: Sequence[SketchFile], band: int, *, slice_size: int = _SLICE) -> Pairs:
    """Return pairs of documents that share the value of `band`, int64 [pairs, 2], in order.

    The first document of a pair is the earlier one. Of documents with the same text only the
    first is paired. A document is paired with the first one and the last few before it that have
    its value: the number of pairs is in proportion to that of documents, however many share one.
    """
    parts = _slices(files, lambda file: file.band(band), slice_size)
    return _in_order([_bucket_pairs(part) for part in parts])


def exact_pairs(files: Sequence[SketchFile], *, slice_size: int = _SLICE) -> Pairs:
    """Return pairs of documents that differ only in white space, int64 [pairs, 2], in order.

    The first document of each pair is the first of all that have the text.
    """
    found = []
    for part in _slices(files, SketchFile.exact, slice_size):
        same = _same_as_before(part.values)
        first = part.documents[_last_false(same)]
        found.append(np.stack([first, part.documents], axis=1)[same])
    return _in_order(found)


def _slices(
    files: Sequence[SketchFile], column: Callable[[SketchFile], Hashes], slice_size: int
) -> Iterator[_Slice]:
    """Yield the documents whose values others share, a slice of the values at a time."""
    count = -(-sum(map(len, files)) // slice_size)
    for number in range(count):
        values, exact, documents = [], [], []
        start = 0
        for file in files:
            if len(file):
                of_file = column(file)
                chosen = np.flatnonzero(of_file % np.uint64(count) == number)
                values.append(of_file[chosen])
                exact.append(file.exact()[chosen])
                documents.append(chosen + start)
            start += len(file)
        yield _shared(np.concatenate(values), np.concatenate(exact), np.concatenate(documents))


def _shared(values: Hashes, exact: Hashes, documents: NDArray[np.int64]) -> _Slice:
    order = np.argsort(values, kind="stable")
    same = _same_as_before(values[order])
    same[:-1] |= same[1:]
    some = order[same]
    some = some[np.lexsort((documents[some], exact[some], values[some]))]
    return _Slice(values[some], exact[some], documents[some])


def _bucket_pairs(part: _Slice) -> Pairs:
    """Pair the documents of each bucket that have different texts."""
    new = ~(_same_as_before(part.values) & _same_as_before(part.exact))
    values, documents = part.values[new], part.documents[new]
    order = np.lexsort((documents, values))
    values, documents = values[order], documents[order]
    found = []
    for distance in range(1, _WINDOW + 1):
        same = values[distance:] == values[:-distance]
        found.append(np.stack([documents[:-distance], documents[distance:]], axis=1)[same])
    first = _last_false(_same_as_before(values))
    far = np.arange(len(values)) - first > _WINDOW
    found.append(np.stack([documents[first], documents], axis=1)[far])
    return np.concatenate(found)


def _same_as_before(values: Hashes) -> NDArray[np.bool_]:
    same = np.zeros(len(values), dtype=bool)
    np.equal(values[1:], values[:-1], out=same[1:])
    return same


def _last_false(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each place the last place up to it where the flag is not set."""
    last: NDArray[np.int64] = np.maximum.accumulate(np.where(flags, 0, np.arange(len(flags))))
    return last


def _in_order(found: Sequence[Pairs]) -> Pairs:
    pairs = np.concatenate([np.zeros((0, 2), dtype=np.int64), *found])
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
