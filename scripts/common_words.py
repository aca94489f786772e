"""Count in how many packages each word occurs and print the most common, for decontamination.

.venv/bin/python scripts/common_words.py PACK.jsonl.zst > data/m31r_data/common_words.txt
"""

from __future__ import annotations

import argparse
import io
import json
import re
from collections import Counter
from pathlib import Path

import zstandard

_WORD = re.compile(r"[^\W\d]\w*")


def main() -> None:
    """Print the words of the pack, one a line, in the order of how many packages use them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--words", type=int, default=4000)
    arguments = parser.parse_args()
    packages: dict[str, set[str]] = {}
    with arguments.pack.open("rb") as raw:
        stream = zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(raw)
        for line in io.TextIOWrapper(stream, encoding="utf-8"):
            row = json.loads(line)
            if row["kind"] != "fixture" and row["package"]:
                packages.setdefault(row["package"], set()).update(_WORD.findall(row["text"]))
    counts = Counter(word for words in packages.values() for word in words)
    by_count = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    for word, _ in by_count[: arguments.words]:
        print(word)


if __name__ == "__main__":
    main()
