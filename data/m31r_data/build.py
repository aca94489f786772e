"""`m31r-train data build`: from sources to token shards."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from m31r_core.errors import M31RError
from m31r_core.shards import TOKENIZER, DocumentRecord, ShardWriter, write_manifest
from m31r_core.tokenizer import Tokenizer
from m31r_data.config import DataConfig
from m31r_data.document import Document, Dropped
from m31r_data.prepare import Prepared, prepare
from m31r_data.sources import read_sources
from m31r_data.split import SPLITS

Progress = Callable[[int, int], None]


@dataclass
class BuildStats:
    """Counts of a build: documents read, why they were dropped, tokens and bytes by split."""

    documents: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    dropped_bytes: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    text_bytes: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)


def build_dataset(
    config: DataConfig, *, workers: int = 1, progress: Progress | None = None
) -> BuildStats:
    """Write the dataset that `config` describes to `config.output`, replacing an older one.

    It is built in a folder beside it and renamed at the end: what stands at `output` is always
    whole. `progress` is called with documents and tokens so far. Raises M31RError naming a
    source or tokenizer that cannot be read, or when no document passes.
    """
    tokenizer = Tokenizer.load(config.tokenizer_file)
    if tokenizer.vocab_size > 2**16:
        raise M31RError(f"{config.tokenizer_file}: over 65,536 tokens do not fit 16-bit shards")
    partial = config.output.with_name(f"{config.output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    stats = BuildStats()
    writers = {split: ShardWriter(partial, split, config.shard_tokens) for split in SPLITS}
    documents = read_sources(config.sources)
    with (partial / "dropped.jsonl").open("w", encoding="utf-8") as dropped:
        for result in prepare(
            documents, config, workers=workers, tokenizer_file=config.tokenizer_file
        ):
            stats.documents += 1
            if isinstance(result, Dropped):
                _write_dropped(dropped, result, stats)
            else:
                writers[result.split].add(result.ids.tolist(), _record(result.document))
                _count(result, stats)
            if progress is not None:
                progress(stats.documents, stats.tokens.total())
    splits = {str(split): writer.close() for split, writer in writers.items()}
    if not stats.kept:
        raise M31RError(f"no document passed the filters; see {partial / 'dropped.jsonl'}")
    shutil.copyfile(config.tokenizer_file, partial / TOKENIZER)
    write_manifest(partial, splits, _details(config, stats))
    _replace(partial, config.output)
    return stats


def _record(document: Document) -> DocumentRecord:
    return DocumentRecord(
        document.package,
        document.version,
        document.path,
        document.license,
        document.kind,
        document.sha256,
    )


def _count(result: Prepared, stats: BuildStats) -> None:
    stats.kept[result.split] += 1
    stats.tokens[result.split] += len(result.ids)
    stats.text_bytes[result.split] += len(result.text.encode())
    stats.licences[result.document.license] += 1


def _write_dropped(file: TextIO, result: Dropped, stats: BuildStats) -> None:
    document = result.document
    stats.dropped[result.reason] += 1
    stats.dropped_bytes[result.reason] += len(document.text)
    row = {
        "reason": result.reason,
        "package": document.package,
        "version": document.version,
        "path": document.path,
        "sha256": document.sha256,
    }
    file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _details(config: DataConfig, stats: BuildStats) -> dict[str, object]:
    tokenizer_hash = hashlib.sha256(config.tokenizer_file.read_bytes()).hexdigest()
    return {
        "tokenizer_sha256": tokenizer_hash,
        "sources": [source.name for source in config.sources],
        "documents": dict(stats.kept),
        "tokens": dict(stats.tokens),
        "text_bytes": dict(stats.text_bytes),
        "dropped": dict(stats.dropped.most_common()),
        "dropped_bytes": dict(stats.dropped_bytes.most_common()),
        "licences": dict(stats.licences.most_common()),
    }


def _replace(partial: Path, output: Path) -> None:
    if output.exists():
        old = output.with_name(f"{output.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        output.replace(old)
        partial.replace(output)
        shutil.rmtree(old)
    else:
        partial.replace(output)
