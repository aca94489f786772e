"""Stage `assemble`: the shards of one bucket, from everything that was found out before."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from m31r_core.prompt import repair_example
from m31r_core.shards import DocumentRecord, ShardWriter
from m31r_core.tokenizer import Tokenizer
from m31r_data.config import DataConfig
from m31r_data.plan import Plan, Stores
from m31r_data.records import write_lines
from m31r_data.slices import Encoded, buckets_in, read_slice
from m31r_data.split import order_of, split_of
from m31r_data.stages.crates import labels
from m31r_data.stages.dedup import Duplicates
from m31r_data.stages.flow import BuildStep
from m31r_data.stages.prepare import NAMES
from m31r_data.stages.select import chosen_pairs
from m31r_data.store import key_of

BUCKET = "bucket.json"
DROPPED = "dropped.jsonl.zst"


class AssembleBuckets(BuildStep):
    """Write the shards of the rank's bucket."""

    name = "assemble"

    def work(self, plan: Plan, stores: Stores, rank: int, world_size: int) -> None:
        """Leave one result: shard files, and a summary that the manifest is made of."""
        config = self._config
        duplicates = Duplicates(plan, stores)
        key = bucket_key(plan, stores, config, duplicates, rank)
        if stores.assembled.has(key):
            return
        with stores.assembled.writing(key, f"bucket {rank}") as folder, self.track_time():
            _write_bucket(folder, plan, stores, config, duplicates, rank)


def bucket_key(
    plan: Plan, stores: Stores, config: DataConfig, duplicates: Duplicates, bucket: int
) -> str:
    """Return a key of all that the shards of `bucket` depend on."""
    parts = []
    units = units_of(plan, stores, bucket)
    for number in units:
        # Not by the number of the other unit: a new one in front of it would change that.
        copies = [
            (document, plan.prepared[other], kept, exact)
            for document, (other, kept, exact) in sorted(duplicates.of_unit(number).items())
        ]
        parts.append([plan.encoded[number], plan.compiled[number], copies])
    pairs = [pair.id for pair in chosen_pairs(plan, stores, config, units)]
    options = [config.seed, config.buckets, config.shard_tokens, config.derive.max_tokens]
    return key_of("bucket", bucket, parts, pairs, options, dataclasses.asdict(config.splits))


def units_of(plan: Plan, stores: Stores, bucket: int) -> list[int]:
    """Return the units that hold something of `bucket`."""
    return [
        number
        for number, key in enumerate(plan.encoded)
        if bucket in buckets_in(stores.encoded.path(key))
    ]


def _write_bucket(
    folder: Path,
    plan: Plan,
    stores: Stores,
    config: DataConfig,
    duplicates: Duplicates,
    bucket: int,
) -> None:
    counts = BucketCounts()
    entries = [*_entries(plan, stores, config, duplicates, bucket, counts)]
    entries += _repairs(plan, stores, config, bucket)
    # Stable: files of a package stay in the order in which they were read.
    entries.sort(
        key=lambda entry: (
            order_of(entry.record.package, config.seed),
            entry.record.package,
            entry.record.version,
        )
    )
    writers: dict[str, ShardWriter] = {}
    for entry in entries:
        split = split_of(entry.record.package, config.splits)
        name = split if entry.set == "code" else f"{entry.set}-{split}"
        if name not in writers:
            writers[name] = ShardWriter(folder, f"{name}-{bucket:04d}", config.shard_tokens)
        writers[name].add(entry.ids, entry.record)
        counts.add(name, entry)
    splits = {
        name: list(map(dataclasses.asdict, writers[name].close())) for name in sorted(writers)
    }
    write_lines(folder / DROPPED, counts.copies)
    _write_summary(folder, splits, counts.summary())


@dataclasses.dataclass
class BucketCounts:
    """What a bucket holds, by split; `dropped` counts [files, bytes, tokens] by reason."""

    documents: Counter[str] = dataclasses.field(default_factory=Counter)
    tokens: Counter[str] = dataclasses.field(default_factory=Counter)
    text_bytes: Counter[str] = dataclasses.field(default_factory=Counter)
    licences: Counter[str] = dataclasses.field(default_factory=Counter)
    compiles: Counter[str] = dataclasses.field(default_factory=Counter)
    dropped: defaultdict[str, list[int]] = dataclasses.field(
        default_factory=lambda: defaultdict(lambda: [0, 0, 0])
    )
    copies: list[dict[str, str]] = dataclasses.field(default_factory=list)

    def add(self, name: str, entry: Encoded) -> None:
        """Count an entry that was written to split `name`."""
        self.documents[name] += 1
        self.tokens[name] += len(entry.ids)
        self.text_bytes[name] += entry.text_bytes
        if entry.set == "code":
            self.licences[entry.record.license] += 1
            self.compiles[entry.record.compiles] += 1

    def drop(self, entry: Encoded, reason: str, kept: str) -> None:
        """Count a document that says what `kept` says."""
        record = entry.record
        total = self.dropped[reason]
        total[:] = [total[0] + 1, total[1] + entry.text_bytes, total[2] + len(entry.ids)]
        self.copies.append(
            {
                "reason": reason,
                "version": record.version,
                "package": record.package,
                "path": record.path,
                "sha256": record.sha256,
                "kept": kept,
            }
        )

    def summary(self) -> dict[str, Any]:
        """Return the counts as JSON, in an order of their own."""
        fields = ("documents", "tokens", "text_bytes", "licences", "compiles", "dropped")
        return {name: dict(sorted(getattr(self, name).items())) for name in fields}


def _entries(
    plan: Plan,
    stores: Stores,
    config: DataConfig,
    duplicates: Duplicates,
    bucket: int,
    counts: BucketCounts,
) -> Iterator[Encoded]:
    """Yield what stays of the bucket, labelled by the compiler; no examples of what it refuses."""
    names = lru_cache(maxsize=64)(
        lambda unit: json.loads((stores.prepared.path(plan.prepared[unit]) / NAMES).read_text())
    )
    for unit in units_of(plan, stores, bucket):
        copies = duplicates.of_unit(unit)
        compiled = labels(plan, stores, config, unit)
        for entry in read_slice(stores.encoded.path(plan.encoded[unit]), bucket):
            if entry.number in copies:
                if entry.set == "code":
                    other, number, exact = copies[entry.number]
                    package, path = names(other)[number]
                    reason = "duplicate" if exact else "near-duplicate"
                    counts.drop(entry, reason, f"{package} {path}")
                continue
            compiles, why = compiled(entry.record.path)
            if compiles == "no" and entry.set != "code":
                continue
            record = dataclasses.replace(entry.record, compiles=compiles, why=why)
            yield dataclasses.replace(entry, record=record)


def _repairs(plan: Plan, stores: Stores, config: DataConfig, bucket: int) -> Iterator[Encoded]:
    """Yield the repair pairs that were chosen, as examples; those that do not fit are left out."""
    tokenizer = Tokenizer.load(config.tokenizer_file)
    units = units_of(plan, stores, bucket)
    for number, pair in enumerate(chosen_pairs(plan, stores, config, units)):
        ids = repair_example(
            tokenizer,
            pair.path,
            diagnostic=pair.message,
            broken=pair.broken,
            prefix=pair.prefix,
            suffix=pair.suffix,
            fixed=pair.fixed,
            max_tokens=config.derive.max_tokens,
        )
        if ids is not None:
            record = DocumentRecord(
                pair.package,
                pair.version,
                pair.path,
                pair.license,
                "repair",
                pair.sha256,
                compiles="yes",
                why=f"{pair.mutator} gives {pair.codes[0]}",
            )
            size = len(tokenizer.decode_bytes(ids))
            yield Encoded("repair", number, record, size, np.array(ids, dtype=np.uint16))


def _write_summary(folder: Path, splits: Mapping[str, Any], counts: Mapping[str, Any]) -> None:
    content = {"splits": splits, "counts": counts}
    (folder / BUCKET).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
