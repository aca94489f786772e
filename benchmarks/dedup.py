"""Near-duplicates of real files, found by sketches and by comparing all shingles of all pairs.

    M31R_SHARED=../shared python benchmarks/dedup.py --json dedup.json

The files are those of whole packages of the frozen corpus, chosen with a fixed seed, as the
pipeline normalises them; of files that differ only in white space, one is enough.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._machine import machine

from m31r_data.config import DedupConfig
from m31r_data.dedup.bands import candidate_pairs, exact_pairs
from m31r_data.dedup.resolve import duplicates, similarities
from m31r_data.dedup.runs import Keys, Pairs, merged, pairs_of, write_run
from m31r_data.dedup.shingles import Hashes, shingle_hashes, token_hashes
from m31r_data.dedup.sketch import Sketch, SketchFile, sketch_of, write_sketches
from m31r_data.normalise import normalise

SHARED = Path(os.environ.get("M31R_SHARED", Path(__file__).parents[2] / "shared"))
CORPUS = SHARED / "corpus" / "rust-permissive-2026-11-23.jsonl.zst"
UNIT = 1_000
MIN_RECALL, MIN_PRECISION = 0.95, 0.99


@dataclass(frozen=True)
class Row:
    """What was found at one size of sketch; recall and precision are of pairs at the limit.

    `dropped` counts documents, as the pipeline drops them and as exact similarities would.
    """

    sketch: int
    bytes_per_document: float
    candidates: int
    true_pairs: int
    found_pairs: int
    recall: float
    precision: float
    dropped: int
    dropped_exactly: int
    search_s: float


def main() -> int:
    arguments = _parser().parse_args()
    if not CORPUS.is_file():
        print(f"dedup.py: skipped, {CORPUS} is not there; M31R_SHARED names its folder")
        return 0
    config = DedupConfig()
    texts = sample(arguments.documents, arguments.seed)
    size = sum(len(text.encode()) for text in texts)
    begin = time.process_time()
    sketches = [sketch_of(text, config) for text in texts]
    ms_per_mb = (time.process_time() - begin) * 1e3 / (size / 1e6)
    begin = time.perf_counter()
    shingles = [shingle_hashes(token_hashes(text), config.shingle) for text in texts]
    true = similar_pairs(shingles, config.jaccard)
    brute_s = time.perf_counter() - begin
    rows = [
        measure(sketches, true, DedupConfig(sketch=config.sketch // share)) for share in (1, 2, 4)
    ]
    files = {"documents": len(texts), "bytes": size, "sketch_ms_per_mb": round(ms_per_mb, 1)}
    _print(rows, files, brute_s)
    if arguments.json:
        ratios = {
            "recall": rows[0].recall,
            "precision": rows[0].precision,
            "dropped": round(rows[0].dropped / max(1, rows[0].dropped_exactly), 4),
        }
        report = {
            "machine": machine(),
            "files": files,
            "rows": [asdict(row) for row in rows],
            "ratios": ratios,
        }
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    good = rows[0].recall >= MIN_RECALL and rows[0].precision >= MIN_PRECISION
    return int(not good)


def sample(count: int, seed: int) -> list[str]:
    """The texts of about `count` files: whole packages, whose versions have much in common."""
    packages: dict[str, dict[str, str]] = defaultdict(dict)
    for row in corpus():
        if row["kind"] != "fixture":
            text = normalise(row["text"])
            packages[row["package"] or row["group"]].setdefault("".join(text.split()), text)
    names = sorted(name for name, texts in packages.items() if len(texts) <= count // 5)
    random.Random(seed).shuffle(names)
    chosen: dict[str, str] = {}
    while names and len(chosen) < count:
        chosen.update(packages[names.pop()])
    return list(chosen.values())


def corpus() -> Iterator[dict[str, Any]]:
    """Every file of the frozen corpus."""
    with CORPUS.open("rb") as file:
        stream = zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(file)
        for line in io.TextIOWrapper(stream, encoding="utf-8", newline="\n"):
            yield json.loads(line)


def similar_pairs(shingles: list[Hashes], limit: float) -> dict[tuple[int, int], float]:
    """Every pair whose Jaccard similarity is at least `limit`, by counting common shingles."""
    sizes = np.array([len(each) for each in shingles])
    ends = np.cumsum(sizes)
    document = np.repeat(np.arange(len(shingles)), sizes)
    flat = np.concatenate(shingles)
    order = np.argsort(flat, kind="stable")
    _, which, counts = np.unique(flat, return_inverse=True, return_counts=True)
    holders, starts = document[order], np.cumsum(counts) - counts
    found = {}
    for number, (start, end) in enumerate(zip((ends - sizes).tolist(), ends.tolist(), strict=True)):
        own = which[start:end]
        own = own[counts[own] > 1]
        lists = [holders[starts[one] : starts[one] + counts[one]] for one in own.tolist()]
        if lists:
            common = np.bincount(np.concatenate(lists), minlength=len(sizes))
            jaccard = common / (sizes[number] + sizes - common)
            for other in np.flatnonzero(jaccard >= limit).tolist():
                if other > number:
                    found[number, other] = float(jaccard[other])
    return found


def measure(sketches: list[Sketch], true: dict[tuple[int, int], float], config: DedupConfig) -> Row:
    """Search the sketches, cut to the size that `config` has, from files as the pipeline does."""
    with tempfile.TemporaryDirectory() as name:
        files = _write(Path(name), sketches, config.sketch)
        begin = time.perf_counter()
        bands = [candidate_pairs(files, band) for band in range(config.bands)]
        with tempfile.TemporaryFile() as file:
            runs = [write_run(file, _pairs(found)) for found in bands]
            exact = write_run(file, _pairs(exact_pairs(files)))
            dropped = sum(map(len, duplicates(files, [exact, *runs], config)))
            search_s = time.perf_counter() - begin
            pairs = _pairs(merged(runs))
        near, _ = similarities(files, pairs)
        written = sum(path.stat().st_size for path in Path(name).rglob("*.npy"))
    found = {(one, other) for one, other in pairs[near >= config.jaccard].tolist()}
    right = len(found & true.keys())
    return Row(
        sketch=config.sketch,
        bytes_per_document=round(written / len(sketches), 1),
        candidates=len(pairs),
        true_pairs=len(true),
        found_pairs=len(found),
        recall=round(right / max(1, len(true)), 4),
        precision=round(right / max(1, len(found)), 4),
        dropped=dropped,
        dropped_exactly=_dropped(true),
        search_s=round(search_s, 2),
    )


def _pairs(found: Iterable[Keys]) -> Pairs:
    return pairs_of(np.concatenate([np.zeros(0, dtype=np.uint64), *found]))


def _write(folder: Path, sketches: list[Sketch], size: int) -> list[SketchFile]:
    files = []
    for start in range(0, len(sketches), UNIT):
        unit = folder / str(start)
        unit.mkdir()
        cut = [
            Sketch(each.exact, each.bands, each.bottom[:size], each.size)
            for each in sketches[start : start + UNIT]
        ]
        write_sketches(unit, cut)
        files.append(SketchFile(unit))
    return files


def _dropped(true: dict[tuple[int, int], float]) -> int:
    """How many documents go when each that resembles an earlier one that stays does."""
    gone: set[int] = set()
    for first, second in sorted(true, key=lambda pair: (pair[1], pair[0])):
        if first not in gone:
            gone.add(second)
    return len(gone)


def _print(rows: list[Row], files: dict[str, Any], brute_s: float) -> None:
    print(
        f"{files['documents']} documents, {files['bytes'] / 1e6:.1f} MB, sketched at "
        f"{files['sketch_ms_per_mb']} ms/MB; all pairs compared in {brute_s:.1f} s"
    )
    columns = ("sketch", "bytes", "pairs", "true", "found", "recall", "precision", "gone")
    table = Table(*columns, "exactly", "s")
    for row in rows:
        table.add_row(*(str(value) for value in asdict(row).values()))
    Console(width=100).print(table)


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--documents", type=int, default=3_000, help="about so many (3000)")
    parser.add_argument("--seed", type=int, default=0, help="chooses the packages (0)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
