"""Token datasets on disk: memory-mapped uint16 shards and what each document is.

manifest.json            format, tokenizer, counts, and for each split its shards with sizes
tokenizer.json           what the ids mean
train-0000-00000.tokens  uint16, little-endian, documents one behind the other
train-0000-00000.index   int64 [documents + 1, 2]: offsets into .tokens (ids) and .jsonl (bytes)
train-0000-00000.jsonl   one record a document: package, version, path, licence, hash
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from m31r_core.errors import M31RError

FORMAT = 2
MANIFEST = "manifest.json"
TOKENIZER = "tokenizer.json"

Tokens = NDArray[np.uint16]


@dataclass(frozen=True)
class DocumentRecord:
    """Where a document comes from. `sha256` is of the source's text as it was read.

    `compiles` is what rustc said of it: yes, no or unknown; `why` gives the reason of the last two.
    """

    package: str
    version: str
    path: str
    license: str
    kind: str
    sha256: str
    license_from: str = ""
    compiles: str = "unknown"
    why: str = ""


@dataclass(frozen=True)
class Shard:
    """Sizes of one shard, as the manifest has them; `tokens` and `documents` are counts.

    `sha256` is of the tokens, the other two are of the index and of the documents' records.
    """

    name: str
    documents: int
    tokens: int
    sha256: str
    index_sha256: str
    records_sha256: str


class ShardWriter:
    """Writes one split, starting a new shard when one holds `shard_tokens` ids."""

    def __init__(self, directory: Path, split: str, shard_tokens: int) -> None:
        """Write into `directory`, which exists."""
        self._directory, self._split, self._limit = directory, split, shard_tokens
        self._shards: list[Shard] = []
        self._index: list[tuple[int, int]] = []
        self._tokens: BinaryIO | None = None
        self._records: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self._records_hash = hashlib.sha256()

    def add(self, ids: Sequence[int] | Tokens, record: DocumentRecord) -> None:
        """Append one document."""
        if self._tokens is None or self._records is None:
            stem = self._directory / self._name()
            self._tokens = stem.with_suffix(".tokens").open("wb")
            self._records = stem.with_suffix(".jsonl").open("wb")
            self._index = [(0, 0)]
            self._hash, self._records_hash = hashlib.sha256(), hashlib.sha256()
        data = np.asarray(ids, dtype="<u2").tobytes()
        self._tokens.write(data)
        self._hash.update(data)
        line = json.dumps(asdict(record), ensure_ascii=False).encode() + b"\n"
        self._records.write(line)
        self._records_hash.update(line)
        tokens, offset = self._index[-1]
        self._index.append((tokens + len(ids), offset + len(line)))
        if tokens + len(ids) >= self._limit:
            self._finish_shard()

    def close(self) -> list[Shard]:
        """Finish the last shard and return all of them."""
        self._finish_shard()
        return self._shards

    def _name(self) -> str:
        return f"{self._split}-{len(self._shards):05d}"

    def _finish_shard(self) -> None:
        if self._tokens is None or self._records is None:
            return
        self._tokens.close()
        self._records.close()
        index = np.array(self._index, dtype="<i8")
        (self._directory / f"{self._name()}.index").write_bytes(index.tobytes())
        shard = Shard(
            self._name(),
            len(index) - 1,
            int(index[-1, 0]),
            self._hash.hexdigest(),
            hashlib.sha256(index.tobytes()).hexdigest(),
            self._records_hash.hexdigest(),
        )
        self._shards.append(shard)
        self._tokens = self._records = None


def write_manifest(
    directory: Path, splits: Mapping[str, Sequence[Shard]], details: Mapping[str, Any]
) -> None:
    """Write `manifest.json`; `details` is whatever else describes how the dataset was made."""
    content = {
        "format": FORMAT,
        **details,
        "splits": {name: [asdict(shard) for shard in shards] for name, shards in splits.items()},
    }
    (directory / MANIFEST).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_manifest(directory: Path) -> dict[str, Any]:
    """Return the manifest of a dataset. Raises M31RError naming the file."""
    path = directory / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise M31RError(f"{path}: not a dataset ({error}); build one with data build") from error
    if manifest.get("format") != FORMAT:
        raise M31RError(
            f"{path}: format {manifest.get('format')}, expected {FORMAT}; build the dataset again"
        )
    return manifest


class TokenDataset:
    """One split of a dataset, memory-mapped: opening it reads only the indices."""

    def __init__(self, directory: Path, shards: Sequence[Shard]) -> None:
        """Map `shards` of `directory`. Raises M31RError naming a missing or truncated file."""
        self._directory = directory
        self._names = [shard.name for shard in shards]
        self._index = [_open_index(directory, shard) for shard in shards]
        self._tokens = [_open_tokens(directory, shard) for shard in shards]
        documents = np.array([shard.documents for shard in shards], dtype=np.int64)
        self._starts: list[int] = [0, *np.cumsum(documents).tolist()]

    @classmethod
    def open(cls, directory: Path, split: str) -> TokenDataset:
        """Open `split` of the dataset in `directory`. Raises M31RError naming what is wrong."""
        splits = read_manifest(directory)["splits"]
        if split not in splits:
            raise M31RError(f"{directory}: no split '{split}', only {', '.join(splits)}")
        return cls(directory, [Shard(**shard) for shard in splits[split]])

    def __len__(self) -> int:
        """Return the number of documents."""
        return self._starts[-1]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens in each document, int64 [documents]."""
        parts = [np.diff(index[:, 0]) for index in self._index]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    def document(self, i: int) -> Tokens:
        """Return the ids of document `i`, uint16, a view into the mapped file."""
        shard, row = self._locate(i)
        start, end = self._index[shard][row : row + 2, 0]
        return self._tokens[shard][start:end]

    def record(self, i: int) -> DocumentRecord:
        """Return where document `i` comes from."""
        shard, row = self._locate(i)
        start, end = self._index[shard][row : row + 2, 1]
        with (self._directory / f"{self._names[shard]}.jsonl").open("rb") as file:
            file.seek(int(start))
            return DocumentRecord(**json.loads(file.read(int(end - start))))

    def _locate(self, i: int) -> tuple[int, int]:
        if not 0 <= i < len(self):
            raise IndexError(i)
        shard = bisect_right(self._starts, i) - 1
        return shard, i - self._starts[shard]


def shard_files(shard: Shard) -> dict[str, str]:
    """Return the names of a shard's files and the sha256 that each should have."""
    return {
        f"{shard.name}.tokens": shard.sha256,
        f"{shard.name}.index": shard.index_sha256,
        f"{shard.name}.jsonl": shard.records_sha256,
    }


def damaged_files(directory: Path) -> tuple[int, list[str]]:
    """Hash every file of the dataset in `directory`.

    Returns how many there are, and for each that is missing or differs a line that names it.
    Raises M31RError when the manifest itself cannot be read.
    """
    count, damage = 0, []
    for shards in read_manifest(directory)["splits"].values():
        for shard in (Shard(**values) for values in shards):
            for name, expected in shard_files(shard).items():
                count += 1
                if problem := _damage(directory / name, expected):
                    damage.append(f"{directory / name}: {problem}")
    return count, damage


def _damage(path: Path, expected: str) -> str:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return error.strerror or str(error)
    return "" if digest == expected else "checksum does not match"


def _open_tokens(directory: Path, shard: Shard) -> Tokens:
    path = directory / f"{shard.name}.tokens"
    _expect_size(path, shard.tokens * 2)
    if shard.tokens == 0:
        return np.zeros(0, dtype=np.uint16)
    return np.memmap(path, dtype="<u2", mode="r")


def _open_index(directory: Path, shard: Shard) -> NDArray[np.int64]:
    path = directory / f"{shard.name}.index"
    _expect_size(path, (shard.documents + 1) * 16)
    return np.memmap(path, dtype="<i8", mode="r").reshape(-1, 2)


def _expect_size(path: Path, expected: int) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise M31RError(f"{path}: missing; build the dataset again") from error
    if size != expected:
        raise M31RError(
            f"{path}: truncated or foreign, {size} bytes where the manifest says {expected}"
        )
