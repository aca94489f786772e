"""Stage `finish`: the dataset's folder, its manifest, and the list of what was dropped."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from m31r_core.errors import M31RError
from m31r_core.shards import TOKENIZER, Shard, shard_files, write_manifest
from m31r_data.config import DataConfig
from m31r_data.funnel import funnel
from m31r_data.plan import Plan, Stores, shaping_options
from m31r_data.records import read_lines
from m31r_data.split import SPLITS
from m31r_data.stages.assemble import BUCKET, DROPPED, bucket_key
from m31r_data.stages.dedup import Duplicates
from m31r_data.stages.encode import COUNTS
from m31r_data.stages.encode import DROPPED as DROPPED_BY_UNIT
from m31r_data.stages.flow import BuildStep
from m31r_data.store import KEY

_EXAMPLES = 5


class Finish(BuildStep):
    """Put the buckets together beside the old dataset, then take its place."""

    name = "finish"

    def work(self, plan: Plan, stores: Stores, rank: int, world_size: int) -> None:
        """Write the dataset. Raises M31RError when no document is left."""
        config = self._config
        duplicates = Duplicates(plan, stores)
        keys = [
            bucket_key(plan, stores, config, duplicates, bucket) for bucket in range(config.buckets)
        ]
        folders = [stores.assembled.path(key) for key in keys]
        partial = config.output.with_name(f"{config.output.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        summaries = [json.loads((folder / BUCKET).read_text()) for folder in folders]
        _write_dropped(partial / "dropped.jsonl", plan, stores, folders)
        if not any(summary["splits"] for summary in summaries):
            raise M31RError(f"no document passed the filters; see {partial / 'dropped.jsonl'}")
        for folder, summary in zip(folders, summaries, strict=True):
            for shard in _shards([summary]):
                for name in shard_files(shard):
                    _link(folder / name, partial / name)
        shutil.copyfile(config.tokenizer_file, partial / TOKENIZER)
        splits = {
            name: [
                Shard(**each) for summary in summaries for each in summary["splits"].get(name, ())
            ]
            for name in _split_names(summaries)
        }
        write_manifest(partial, splits, _details(config, plan, stores, summaries))
        (partial / KEY).write_text(plan.build, encoding="utf-8")
        _replace(partial, config.output)
        _forget(plan, stores, keys)


def _details(
    config: DataConfig,
    plan: Plan,
    stores: Stores,
    summaries: list[dict[str, Any]],
) -> dict[str, Any]:
    """Return what the manifest says beside the shards."""
    units = [
        json.loads((stores.encoded.path(key) / COUNTS).read_text(encoding="utf-8"))
        for key in plan.encoded
    ]
    dropped = _sum_lists(part["dropped"] for part in (*units, *_counts(summaries)))
    none = dict.fromkeys(_split_names(summaries), 0)

    def by_split(name: str) -> dict[str, int]:
        return {**none, **_sum(counts[name] for counts in _counts(summaries))}

    return {
        "tokenizer_sha256": hashlib.sha256(config.tokenizer_file.read_bytes()).hexdigest(),
        "sources": [source.path.name for source in config.sources],
        "options": shaping_options(config),
        "documents": by_split("documents"),
        "tokens": by_split("tokens"),
        "text_bytes": by_split("text_bytes"),
        "funnel": funnel(_sum_list(unit["read"] for unit in units), dropped),
        "dropped": {
            reason: {
                **dict(zip(("files", "bytes", "tokens"), total, strict=True)),
                "examples": _examples(unit["examples"].get(reason, []) for unit in units),
            }
            for reason, total in sorted(dropped.items(), key=lambda each: (-each[1][0], each[0]))
        },
        "masked": _sum(unit["masked"] for unit in units),
        "compiles": _sum(counts["compiles"] for counts in _counts(summaries)),
        "licences": _most_first(_sum(counts["licences"] for counts in _counts(summaries))),
    }


def _split_names(summaries: Iterable[dict[str, Any]]) -> list[str]:
    """Return the code's splits, which are always there, then those of the other sets."""
    found = {name for summary in summaries for name in summary["splits"]}
    return [*SPLITS, *sorted(found - set(SPLITS))]


def _counts(summaries: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (summary["counts"] for summary in summaries)


def _shards(summaries: Iterable[dict[str, Any]]) -> Iterator[Shard]:
    for summary in summaries:
        for shards in summary["splits"].values():
            yield from (Shard(**shard) for shard in shards)


def _write_dropped(path: Path, plan: Plan, stores: Stores, buckets: Iterable[Path]) -> None:
    """Write one line for everything that is not in the dataset, with its reason."""
    files = [stores.encoded.path(key) / DROPPED_BY_UNIT for key in plan.encoded]
    files += [folder / DROPPED for folder in buckets]
    with path.open("w", encoding="utf-8") as file:
        for each in files:
            for row in read_lines(each):
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _examples(examples: Iterable[list[dict[str, str]]]) -> list[dict[str, str]]:
    """Choose a few examples, the same ones however the units were cut."""
    found = sorted((each for some in examples for each in some), key=lambda each: each["sha256"])
    return found[:_EXAMPLES]


def _sum(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(sorted(total.items()))


def _most_first(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def _sum_list(rows: Iterable[list[int]]) -> list[int]:
    return [sum(column) for column in zip(*rows, strict=True)] or [0, 0, 0]


def _sum_lists(counts: Iterable[dict[str, list[int]]]) -> dict[str, list[int]]:
    total: dict[str, list[int]] = {}
    for each in counts:
        for reason, row in each.items():
            total[reason] = [a + b for a, b in zip(total.get(reason, [0, 0, 0]), row, strict=True)]
    return total


def _link(source: Path, target: Path) -> None:
    """Let both names mean the same bytes; copy them where the file system cannot."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def _replace(partial: Path, output: Path) -> None:
    if output.exists():
        old = output.with_name(f"{output.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        output.replace(old)
        partial.replace(output)
        shutil.rmtree(old)
    else:
        partial.replace(output)


def _forget(plan: Plan, stores: Stores, buckets: Iterable[str]) -> None:
    """Remove results that this dataset is not made of."""
    stores.prepared.prune(plan.prepared)
    stores.candidates.prune(())
    stores.duplicates.prune([plan.duplicates])
    stores.compiled.prune(plan.compiled)
    stores.repaired.prune(plan.repaired)
    stores.selected.prune([plan.selected])
    stores.encoded.prune(plan.encoded)
    stores.assembled.prune(buckets)
