"""Packs of any size to measure the data pipeline with: real Rust, copied under other names.

Documents of the frozen corpus (generated ones where it is missing) are written again and again.
Each time the last letters of every name are others, so that a text is as long as before and
parses as well, but has little in common with its copies. Some of what is written comes back later,
as it is or with comments between its lines: these are the duplicates to find.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import zstandard

SHARED = Path(os.environ.get("M31R_SHARED", Path(__file__).parents[4] / "shared"))
CORPUS = SHARED / "corpus" / "rust-permissive-2026-11-23.jsonl.zst"

_FILE_BYTES = 256_000_000
# So much is copied; an input is a multiple of it, give or take one.
_BASE_BYTES = 48_000_000
# Of the other documents; together 12% of all.
_NEAR_SHARE, _EXACT_SHARE = 0.115, 0.02
# Lines between two comments of a near-duplicate, and the fewest lines of a text that has any.
_COMMENT_EVERY, _LINES = 60, 30
# Where a name gets its two other letters: a private character, which no Rust has.
_MARK = "\ue000"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_KEPT = (
    "self|Self|super|crate|where|while|match|return|break|continue|const|static|struct|enum|trait|"
    "impl|type|unsafe|async|await|move|else|loop|true|false|dyn|extern|macro_rules|union|yield|bool|"
    "char|usize|isize|u128|i128|block|expr|expr_2021|ident|item|lifetime|literal|meta|path|"
    "pat_param|stmt"
)
# A word of four letters or more that does not stand behind a backslash, a digit or `#`.
_NAME = re.compile(rf"(?<![\\#\w])(?!(?:{_KEPT})\b)([A-Za-z_]\w+)\w\w\b", re.ASCII)


@dataclass(frozen=True)
class Written:
    """What lies in a folder of packs. `planted` are the documents that have another one's text."""

    bytes: int
    text_bytes: int
    documents: int
    lines: int
    planted: int


Row = dict[str, Any]


def write_packs(
    folder: Path, size: int, seed: int, *, corpus: Path = CORPUS, base: int = _BASE_BYTES
) -> Written:
    """Fill `folder` with .jsonl packs of about `size` bytes; memory does not grow with it.

    `base` bytes of the corpus are copied.
    """
    written = text_bytes = documents = lines = planted = 0
    rows = _rows(corpus, base, random.Random(seed))
    for number in count():
        with (folder / f"pack-{number:03d}.jsonl").open("wb") as file:
            while file.tell() < _FILE_BYTES and written < size:
                row, is_planted = next(rows)
                line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
                written += file.write(line)
                text_bytes += len(row["text"].encode())
                lines += row["text"].count("\n")
                documents += 1
                planted += is_planted
        if written >= size:
            return Written(written, text_bytes, documents, lines, planted)
    raise AssertionError


def _rows(corpus: Path, size: int, chance: random.Random) -> Iterator[tuple[Row, bool]]:
    """Yield rows for ever, and whether each is a duplicate of an earlier one."""
    base = list(_base(corpus, size, chance))
    recent: list[Row] = []
    for copy in count():
        first, second = divmod(copy, 10)
        letters = _LETTERS[first % len(_LETTERS)] + str(second)
        for template in base:
            text = template["text"].replace(_MARK, letters)
            row = {**template, "package": f"{template['package']}-{copy}", "text": text}
            yield row, False
            if text.count("\n") >= _LINES:
                # The pool stays small: old ones make room.
                recent = [*recent[-99:], row]
            draw = chance.random()
            if recent and draw < _NEAR_SHARE + _EXACT_SHARE:
                again = recent.pop(chance.randrange(len(recent)))
                name = f"{again['package']}-again"
                text = again["text"] if draw < _EXACT_SHARE else _commented(again["text"], chance)
                yield {**again, "package": name, "text": text}, True


def _commented(text: str, chance: random.Random) -> str:
    lines = text.split("\n")
    for _ in range(max(1, len(lines) // _COMMENT_EVERY)):
        lines.insert(chance.randrange(len(lines)), f"// see {chance.randrange(10**9)}")
    return "\n".join(lines)


def _base(corpus: Path, size: int, chance: random.Random) -> Iterator[Row]:
    """Yield rows to copy, `size` bytes in all, with a mark where their names change."""
    for row in _sample(corpus, chance):
        text = _NAME.sub(rf"\1{_MARK}", row["text"].replace(_MARK, ""))
        size -= len(row["text"])
        yield {**row, "text": text, "package": row["package"] or "none"}
        if size < 0:
            return


def _sample(corpus: Path, chance: random.Random) -> Iterator[Row]:
    if not corpus.is_file():
        yield from islice(_generated(chance), 20_000)
        return
    # A tenth of the corpus, taken from all of it.
    with corpus.open("rb") as file:
        stream = zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(file)
        for line in io.TextIOWrapper(stream, encoding="utf-8", newline="\n"):
            if chance.random() < 0.12:
                row = json.loads(line)
                if row["kind"] != "fixture":
                    columns = ("package", "version", "path", "license", "kind", "text")
                    yield {name: row[name] for name in columns}


def _generated(chance: random.Random) -> Iterator[Row]:
    """Yield programs that parse, of functions that differ in names, types, numbers and order."""
    names = [f"{one}_{other}" for one in _WORDS for other in _WORDS]
    for number in count():
        functions = []
        for _ in range(chance.randrange(4, 40)):
            name, value, item, total = chance.sample(names, 4)
            of, limit = chance.choice(_TYPES), chance.randrange(10**6)
            parts = {"name": name, "value": value, "item": item, "total": total}
            functions.append(chance.choice(_FUNCTIONS).format(of=of, limit=limit, **parts))
        yield {
            "package": f"generated-{number // 10}",
            "version": "1.0.0",
            "path": f"src/part_{number % 10}.rs",
            "license": "MIT",
            "kind": "src",
            "text": "\n\n".join(functions) + "\n",
        }


_WORDS = ("read", "parse", "walk", "fold", "emit", "queue", "spawn", "index", "merge", "split")
_TYPES = ("u32", "i64", "u8", "usize", "u16")
_FUNCTIONS = (
    """\
/// Adds what is over {limit}.
pub fn {name}({value}: &[{of}]) -> u64 {{
    let mut {total} = 0;
    for {item} in {value} {{
        if *{item} as u64 > {limit} {{
            {total} += *{item} as u64;
        }}
    }}
    {total}
}}""",
    """\
#[derive(Debug, Clone)]
pub struct {name} {{
    pub {value}: Vec<{of}>,
    {item}: Option<String>,
}}

impl {name} {{
    pub fn {total}(&mut self, {item}: {of}) -> usize {{
        self.{value}.push({item});
        self.{value}.len() + {limit}
    }}
}}""",
    """\
fn {name}({value}: Option<{of}>) -> Result<{of}, String> {{
    match {value} {{
        Some({item}) if {item} as u64 == {limit} => Ok({item}),
        Some({total}) => Err(format!("{name}: {{{total}}}")),
        None => Err("no {value}".to_owned()),
    }}
}}""",
)
