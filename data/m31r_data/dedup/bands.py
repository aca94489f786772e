"""Which documents may be duplicates: those that share a value of a band, or all of their text.

Documents are numbered over all files in order. A search reads its column once and writes it to a
scratch file, cut into slices of the values, of which it then holds one, 131,072 documents and
20 MB, at a time. Of 150 million documents, a band is 3.6 GB of scratch file, read once. Bands are
searched independently of each other.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from m31r_data.dedup.runs import Keys, Pairs, merged, write_run
from m31r_data.dedup.shingles import Hashes
from m31r_data.dedup.sketch import SketchFile

_SLICE = 131_072
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


def candidate_pairs(
    files: Sequence[SketchFile],
    band: int,
    *,
    scratch: Path | None = None,
    slice_size: int = _SLICE,
) -> Iterator[Keys]:
    """Yield the keys (`runs.py`) of pairs of documents that share the value of `band`, in order.

    Of documents with the same text only the first is paired. A document is paired with the first
    one and the last few before it that have its value: the number of pairs is in proportion to that
    of documents, however many share one. `scratch` is a folder for files while it lasts; the
    system's unless given.
    """
    return _search(files, lambda file: file.band(band), _bucket_pairs, scratch, slice_size)


def exact_pairs(
    files: Sequence[SketchFile], *, scratch: Path | None = None, slice_size: int = _SLICE
) -> Iterator[Keys]:
    """Yield the keys of pairs of documents that differ only in white space, in order.

    The first document of each pair is the first of all that have the text.
    """
    return _search(files, SketchFile.exact, _exact_pairs, scratch, slice_size)


def _search(
    files: Sequence[SketchFile],
    column: Callable[[SketchFile], Hashes],
    pair: Callable[[_Slice], Pairs],
    scratch: Path | None,
    slice_size: int,
) -> Iterator[Keys]:
    with tempfile.TemporaryFile(dir=scratch) as file:
        parts = _slices(files, column, scratch, slice_size)
        yield from merged([write_run(file, pair(part)) for part in parts])


def _slices(
    files: Sequence[SketchFile],
    column: Callable[[SketchFile], Hashes],
    scratch: Path | None,
    slice_size: int,
) -> Iterator[_Slice]:
    """Yield the documents whose values others share, a slice of the values at a time."""
    count = -(-sum(map(len, files)) // slice_size)
    with tempfile.TemporaryFile(dir=scratch) as file:
        bounds = []
        for rows in _parts(files, column, slice_size):
            number = (rows[:, 0] % np.uint64(count)).astype(np.int64)
            before = np.cumsum([0, *np.bincount(number, minlength=count)])
            bounds.append(file.seek(0, os.SEEK_END) // rows[0].nbytes + before)
            rows[np.argsort(number, kind="stable")].tofile(file)
        for slice_ in range(count):
            found = [_read(file, *bound[slice_ : slice_ + 2].tolist()) for bound in bounds]
            values, exact, documents = np.concatenate(found).T.copy()
            yield _shared(values, exact, documents.astype(np.int64))


def _parts(
    files: Sequence[SketchFile], column: Callable[[SketchFile], Hashes], size: int
) -> Iterator[NDArray[np.uint64]]:
    """Yield (value, exact, number) of all documents in order, uint64 [about `size`, 3]."""
    start, held, found = 0, 0, []
    for file in files:
        if len(file):
            numbers = np.arange(start, start + len(file), dtype=np.uint64)
            found.append(np.stack([column(file), file.exact(), numbers], axis=1))
            start, held = start + len(file), held + len(file)
        if held >= size:
            yield np.concatenate(found)
            held, found = 0, []
    if found:
        yield np.concatenate(found)


def _read(file: BinaryIO, start: int, end: int) -> NDArray[np.uint64]:
    data = os.pread(file.fileno(), 24 * (end - start), 24 * start)
    return np.frombuffer(data, dtype=np.uint64).reshape(-1, 3)


def _shared(values: Hashes, exact: Hashes, documents: NDArray[np.int64]) -> _Slice:
    order = np.argsort(values, kind="stable")
    same = _same_as_before(values[order])
    same[:-1] |= same[1:]
    some = order[same]
    some = some[np.lexsort((documents[some], exact[some], values[some]))]
    return _Slice(values[some], exact[some], documents[some])


def _exact_pairs(part: _Slice) -> Pairs:
    """Pair documents with the first one of their text."""
    same = _same_as_before(part.values)
    first = part.documents[_last_false(same)]
    pairs: Pairs = np.stack([first, part.documents], axis=1)[same]
    return pairs


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
