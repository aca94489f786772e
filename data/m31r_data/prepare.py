"""The steps that every use of the sources shares: filter, normalise, deduplicate, split, encode.

Documents flow through in order, a bounded number at a time, so that memory stays flat and the
result does not depend on the number of workers.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from m31r_core.shards import Tokens
from m31r_core.tokenizer import Tokenizer
from m31r_data.config import DataConfig, FilterConfig
from m31r_data.dedup import ExactDedup, fingerprint
from m31r_data.document import Document, Dropped
from m31r_data.filters import first_refusal
from m31r_data.normalise import normalise
from m31r_data.split import Split, split_of

_BATCH = 64
_BATCHES_AHEAD = 3


@dataclass(frozen=True)
class Prepared:
    """A document that passed. `text` is normalised; `ids` are empty when nothing encodes."""

    document: Document
    split: Split
    text: str
    ids: Tokens


@dataclass(frozen=True)
class _Passed:
    document: Document
    text: str
    ids: Tokens
    fingerprint: bytes


def prepare(
    documents: Iterable[Document],
    config: DataConfig,
    *,
    workers: int = 1,
    tokenizer_file: Path | None = None,
) -> Iterator[Prepared | Dropped]:
    """Yield what becomes of each document, in their order; with a tokenizer, encoded."""
    seen = ExactDedup()
    for result in _in_order(documents, _Worker(config.filters, tokenizer_file), workers):
        if isinstance(result, Dropped):
            yield result
        elif not seen.is_new(result.fingerprint):
            yield Dropped(result.document, "duplicate")
        else:
            split = split_of(result.document.package, config.splits)
            yield Prepared(result.document, split, result.text, result.ids)


@dataclass(frozen=True)
class _Worker:
    """The part that runs in other processes: a function of a batch of documents."""

    filters: FilterConfig
    tokenizer_file: Path | None

    def __call__(self, batch: list[Document]) -> list[_Passed | Dropped]:
        tokenizer = _load_once(self.tokenizer_file) if self.tokenizer_file else None
        return [self._one(document, tokenizer) for document in batch]

    def _one(self, document: Document, tokenizer: Tokenizer | None) -> _Passed | Dropped:
        reason = first_refusal(document, self.filters)
        if reason is not None:
            return Dropped(document, reason)
        text = normalise(document.text)
        ids = tokenizer.encode(text) if tokenizer else []
        return _Passed(document, text, np.array(ids, dtype=np.uint16), fingerprint(text))


@cache
def _load_once(path: Path) -> Tokenizer:
    """Keep the tokenizer for the life of a worker process: loading it takes 20 ms."""
    return Tokenizer.load(path)


def _in_order(
    documents: Iterable[Document], worker: _Worker, workers: int
) -> Iterator[_Passed | Dropped]:
    batches = _batches(documents)
    if workers <= 1:
        for batch in batches:
            yield from worker(batch)
        return
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    pending: deque[Future[list[_Passed | Dropped]]] = deque()
    # Not forked: the tokenizer's threads do not survive a fork.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for batch in batches:
            pending.append(pool.submit(worker, batch))
            if len(pending) > workers * _BATCHES_AHEAD:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    iterator = iter(documents)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
