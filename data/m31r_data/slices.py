"""Encoded documents of one unit, cut by bucket, so that a bucket reads only what is its own.

rows.jsonl   one line a document or example, those of a bucket together
ids.bin      uint16, little-endian, in the same order
index.json   bucket -> [first and last byte of its rows, first and last id]
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from m31r_core.shards import DocumentRecord, Tokens


@dataclass(frozen=True)
class Encoded:
    """One entry of a set: a whole document, or an example made from one.

    `number` is the document's place among those of its unit that passed the filters; `text_bytes`
    is the size of what the ids stand for.
    """

    set: str
    number: int
    record: DocumentRecord
    text_bytes: int
    ids: Tokens


def write_slices(folder: Path, entries: Iterable[tuple[int, Encoded]]) -> None:
    """Write (bucket, entry) pairs into `folder`; those of a bucket keep their order."""
    by_bucket = sorted(entries, key=lambda pair: pair[0])
    index: dict[int, list[int]] = {}
    rows_at = ids_at = 0
    with (folder / "rows.jsonl").open("wb") as rows, (folder / "ids.bin").open("wb") as ids:
        for bucket, group in groupby(by_bucket, key=lambda pair: pair[0]):
            start = [rows_at, ids_at]
            for _, entry in group:
                row = {
                    "set": entry.set,
                    "number": entry.number,
                    "record": asdict(entry.record),
                    "text_bytes": entry.text_bytes,
                    "tokens": len(entry.ids),
                }
                rows_at += rows.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
                ids_at += ids.write(entry.ids.astype("<u2").tobytes()) // 2
            index[bucket] = [start[0], rows_at, start[1], ids_at]
    (folder / "index.json").write_text(json.dumps(index))


def buckets_in(folder: Path) -> set[int]:
    """Return the buckets that have entries in `folder`."""
    return {int(bucket) for bucket in json.loads((folder / "index.json").read_text())}


def read_slice(folder: Path, bucket: int) -> Iterator[Encoded]:
    """Yield the entries of one bucket."""
    place: Sequence[int] | None = json.loads((folder / "index.json").read_text()).get(str(bucket))
    if place is None:
        return
    with (folder / "rows.jsonl").open("rb") as file:
        file.seek(place[0])
        lines = file.read(place[1] - place[0]).splitlines()
    ids = np.fromfile(folder / "ids.bin", "<u2", place[3] - place[2], offset=place[2] * 2)
    at = 0
    for line in lines:
        row = json.loads(line)
        end = at + row["tokens"]
        record = DocumentRecord(**row["record"])
        yield Encoded(row["set"], row["number"], record, row["text_bytes"], ids[at:end])
        at = end
