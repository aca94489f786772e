"""Stage `encode`: documents to token ids, and to the examples that are derived from them."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from m31r_core.shards import DocumentRecord
from m31r_core.tokenizer import Tokenizer
from m31r_data.config import DataConfig
from m31r_data.derive.fim import fim_examples
from m31r_data.derive.plan import plan_examples
from m31r_data.document import Document
from m31r_data.plan import Plan, Stores
from m31r_data.records import Prepared, read_prepared, write_lines
from m31r_data.slices import Encoded, write_slices
from m31r_data.split import bucket_of
from m31r_data.stages.flow import BuildStep
from m31r_data.stages.prepare import DOCUMENTS

COUNTS = "counts.json"
DROPPED = "dropped.jsonl.zst"
_EXAMPLES = 5
_HEAD = 400


class EncodeUnits(BuildStep):
    """Encode the documents of the rank's units, and count what each filter took."""

    name = "encode"

    def work(self, plan: Plan, stores: Stores, rank: int, world_size: int) -> None:
        """Write one result a unit."""
        config = self._config
        tokenizer = Tokenizer.load(config.tokenizer_file)
        for unit in plan.batches["encode"][rank]:
            key = plan.encoded[unit]
            if stores.encoded.has(key):
                continue
            path = stores.prepared.path(plan.prepared[unit]) / DOCUMENTS
            with stores.encoded.writing(key, plan.units[unit].name) as folder, self.track_time():
                counts = UnitCounts()
                write_slices(folder, _entries(path, tokenizer, config, counts))
                write_lines(folder / DROPPED, counts.dropped_rows)
                (folder / COUNTS).write_text(json.dumps(counts.summary(), ensure_ascii=False))


@dataclass
class UnitCounts:
    """What became of a unit's documents; each count is [files, bytes, tokens]."""

    read: list[int] = field(default_factory=lambda: [0, 0, 0])
    dropped: dict[str, list[int]] = field(default_factory=dict)
    examples: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    masked: Counter[str] = field(default_factory=Counter)
    dropped_rows: list[dict[str, str]] = field(default_factory=list)

    def add(self, row: Prepared, tokens: int) -> None:
        """Count one document."""
        document = row.document
        _add(self.read, [1, row.read_bytes, tokens])
        self.masked.update(dict(row.masked))
        if not row.reason:
            return
        size = len(document.text.encode("utf-8", errors="surrogatepass"))
        _add(self.dropped.setdefault(row.reason, [0, 0, 0]), [1, size, tokens])
        where = {"package": document.package, "path": document.path, "sha256": document.sha256}
        self.dropped_rows.append({"reason": row.reason, "version": document.version, **where})
        examples = self.examples.setdefault(row.reason, [])
        if len(examples) < _EXAMPLES:
            examples.append({**where, "head": document.text[:_HEAD]})

    def summary(self) -> dict[str, object]:
        """Return the counts as JSON."""
        return {
            "read": self.read,
            "dropped": self.dropped,
            "examples": self.examples,
            "masked": dict(sorted(self.masked.items())),
        }


def _entries(
    path: Path, tokenizer: Tokenizer, config: DataConfig, counts: UnitCounts
) -> Iterator[tuple[int, Encoded]]:
    """Yield the bucket and the entry of every document that passed, and of its examples."""
    number = 0
    for row in read_prepared(path):
        ids = tokenizer.encode(row.document.text)
        counts.add(row, len(ids))
        if row.reason:
            continue
        record = _record(row.document)
        bucket = bucket_of(row.document.package, config.buckets)
        for name, each, size in _sets(row.document, ids, tokenizer, config):
            entry = Encoded(name, number, record, size, np.array(each, dtype=np.uint16))
            yield bucket, entry
        number += 1


def _sets(
    document: Document, ids: list[int], tokenizer: Tokenizer, config: DataConfig
) -> Iterator[tuple[str, list[int], int]]:
    """Yield set, ids and bytes of text: the document itself, then what is derived from it."""
    yield "code", ids, len(document.text.encode())
    path, text, derive = document.path, document.text, config.derive
    for name, make in (("fim", fim_examples), ("plan", plan_examples)):
        rng = random.Random(f"{config.seed}/{name}/{document.sha256}")
        for example in make(tokenizer, path, text, derive, rng):
            yield name, example, len(tokenizer.decode_bytes(example))


def _record(document: Document) -> DocumentRecord:
    return DocumentRecord(
        document.package,
        document.version,
        document.path,
        document.license,
        document.kind,
        document.sha256,
        document.license_from,
    )


def _add(total: list[int], more: list[int]) -> None:
    total[:] = [a + b for a, b in zip(total, more, strict=True)]
