"""Documents with near-duplicates among them, made by editing the Rust code of this repository."""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from m31r_data.config import DedupConfig
from m31r_data.dedup.runs import Keys, Pairs, Run, pairs_of, write_run
from m31r_data.dedup.shingles import shingle_hashes, token_hashes
from m31r_data.dedup.sketch import SketchFile, sketch_of, write_sketches

ROOT = Path(__file__).parents[3]
RUST = (ROOT / "benchmarks" / "data" / "desk.rs", *sorted((ROOT / "examples" / "src").glob("*.rs")))
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def write_files(
    folder: Path, parts: Sequence[Sequence[str]], config: DedupConfig
) -> list[SketchFile]:
    """Write the sketches of some texts as one unit for each part."""
    files = []
    for number, part in enumerate(parts):
        unit = folder / f"unit-{number}"
        unit.mkdir(parents=True)
        write_sketches(unit, [sketch_of(text, config) for text in part])
        files.append(SketchFile(unit))
    return files


def pairs_in(found: Iterable[Keys]) -> Pairs:
    """All pairs that a search yields, int64 [pairs, 2], the earlier document first."""
    return pairs_of(np.concatenate([np.zeros(0, dtype=np.uint64), *found]))


@contextmanager
def runs_with(*searches: Iterable[Keys]) -> Iterator[list[Run]]:
    """What some searches found, on disk, as it is decided."""
    with tempfile.TemporaryFile() as file:
        yield [write_run(file, pairs_in(found)) for found in searches]


def jaccard(one: str, other: str, n: int) -> float:
    """The similarity that sketches estimate, of all shingles."""
    a, b = (set(shingle_hashes(token_hashes(text), n).tolist()) for text in (one, other))
    return len(a & b) / max(1, len(a | b))


def families(chance: random.Random, count: int, copies: int) -> list[list[str]]:
    """`count` documents that have little in common, each with `copies` more or less edited."""
    return [
        [base, *(edited(base, chance, chance.uniform(0.0, 0.12)) for _ in range(copies))]
        for base in (document(chance) for _ in range(count))
    ]


def document(chance: random.Random) -> str:
    """Some paragraphs of real code, in which most names are like in no other document."""
    paragraphs = [part for file in RUST for part in file.read_text("utf-8").split("\n\n")]
    text = "\n\n".join(chance.choices(paragraphs, k=chance.randrange(1, 16)))
    names = sorted({word for word in WORD.findall(text) if len(word) > 2})
    own = {name: f"{name}{chance.randrange(10**6)}" for name in names if chance.random() < 0.7}
    return WORD.sub(lambda word: own.get(word[0], word[0]), text)


def edited(text: str, chance: random.Random, share: float) -> str:
    """`text` with a share of its words changed, each to one that is nowhere else."""
    return WORD.sub(
        lambda word: f"new_{chance.randrange(10**9)}" if chance.random() < share else word[0], text
    )
