"""What the filters, decontamination and masking cost, and what they do to real files.

    M31R_SHARED=../shared python benchmarks/quality.py --share 0.05 --json quality.json

The files are a share of the frozen corpus, chosen by hash, without those that are fixtures; the
tasks are the public evaluation material beside it. The exit code is 1 when the filters need more
than a quarter of a second for a megabyte.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import zstandard
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._machine import machine

from m31r_data.config import FilterConfig
from m31r_data.decontaminate import Decontaminator, task_texts
from m31r_data.document import Document
from m31r_data.filters import FILTERS
from m31r_data.secrets import mask_secrets

SHARED = Path(os.environ.get("M31R_SHARED", Path(__file__).parents[2] / "shared"))
CORPUS = SHARED / "corpus" / "rust-permissive-2026-11-23.jsonl.zst"
MAX_MS_PER_MB = 250.0


@dataclass
class Row:
    """One step: the bytes that it saw, the processor time it took, the files that it refused.

    Of masking, the files that it changed.
    """

    step: str
    bytes: int = 0
    seconds: float = 0.0
    files: int = 0

    @property
    def ms_per_mb(self) -> float:
        """Processor time, in milliseconds for a megabyte of UTF-8."""
        return 1e9 * self.seconds / self.bytes if self.bytes else 0.0


def main() -> int:
    arguments = _parser().parse_args()
    if not CORPUS.is_file():
        print(f"quality.py: skipped, {CORPUS} is not there; M31R_SHARED names its folder")
        return 0
    files = sorted((SHARED / "bench").glob("*.jsonl"))
    tasks = Decontaminator.from_tasks(files)
    rows = [Row(check.__name__) for check in FILTERS] + [Row("decontaminate"), Row("secrets")]
    masked: Counter[str] = Counter()
    contaminated: list[str] = []
    read = 0
    for document in corpus(arguments.share):
        read += 1
        config = FilterConfig()
        size = len(document.text.encode("utf-8", errors="surrogatepass"))
        if any(
            timed(row, size, partial(check, document, config)) is not True
            for row, check in zip(rows, FILTERS, strict=False)
        ):
            continue
        if timed(rows[-2], size, partial(_is_free, tasks, document.text)) is not True:
            contaminated.append(document.path)
            continue
        _, counts = mask_into(rows[-1], size, document.text)
        masked.update(counts)
    found = {path.stem: found_in_themselves(tasks, path) for path in files}
    total = sum(row.ms_per_mb for row in rows[: len(FILTERS)])
    _print(rows, read, total, masked, contaminated, found)
    if arguments.json:
        report = {
            "machine": machine(),
            "files": read,
            "rows": [{**asdict(row), "ms_per_mb": round(row.ms_per_mb, 2)} for row in rows],
            "masked": dict(masked),
            "contaminated": contaminated,
            "tasks_found": found,
            "ratios": {"filters_ms_per_mb": round(total, 1)},
        }
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return int(total > MAX_MS_PER_MB)


def _is_free(tasks: Decontaminator, text: str) -> bool:
    return not tasks.overlaps(text)


def timed(row: Row, size: int, answer: Callable[[], object]) -> object:
    """Return what `answer` says, and count its time and its refusal in `row`."""
    begin = time.thread_time()
    result = answer()
    row.seconds += time.thread_time() - begin
    row.bytes += size
    row.files += result is not True
    return result


def mask_into(row: Row, size: int, text: str) -> tuple[str, Counter[str]]:
    """Mask `text`, and count in `row`."""
    begin = time.thread_time()
    result = mask_secrets(text)
    row.seconds += time.thread_time() - begin
    row.bytes += size
    row.files += bool(result[1])
    return result


def found_in_themselves(tasks: Decontaminator, path: Path) -> tuple[int, int]:
    """Return how many texts of a task file would be found if they were documents, and of how many.

    Texts of less than 13 tokens never are.
    """
    texts = list(task_texts(path))
    return sum(map(tasks.overlaps, texts)), len(texts)


def corpus(share: float) -> Iterator[Document]:
    """A share of the files of the frozen corpus, the same every time."""
    with CORPUS.open("rb") as file:
        stream = zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(file)
        for line in io.TextIOWrapper(stream, encoding="utf-8"):
            row = json.loads(line)
            if row["kind"] != "fixture" and int(row["sha256"][:8], 16) < share * 2**32:
                yield Document(
                    row["package"] or "",
                    row["version"] or "",
                    row["path"],
                    row["license"] or "",
                    row["kind"],
                    row["text"],
                )


def _print(
    rows: list[Row],
    read: int,
    total: float,
    masked: Counter[str],
    contaminated: list[str],
    found: dict[str, tuple[int, int]],
) -> None:
    table = Table("step", "ms per MB", "files", title=f"{read:,} files", title_justify="left")
    for row in rows:
        table.add_row(row.step, f"{row.ms_per_mb:.1f}", f"{row.files:,}")
    table.add_row("all filters", f"{total:.1f}", "")
    console = Console()
    console.print(table)
    console.print("masked:", ", ".join(f"{n} {kind}" for kind, n in masked.most_common()) or "none")
    for path in contaminated:
        console.print("overlaps evaluation:", path, markup=False)
    for name, (hits, texts) in found.items():
        console.print(f"{name}: {hits} of {texts} texts are found")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=0.05, help="of the corpus' files")
    parser.add_argument("--json", type=Path)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
