"""Keep evaluation tasks out of the training set.

A document is contaminated when it shares a run of tokens with a task, 13 at least, and the run is
the task's own. In Rust most shared runs are not: the 13 lexical tokens of
`#[derive(Debug, Clone, PartialEq)]` and of `&mut self, cx: &mut Context<'_>)` are anybody's. So a
run counts when it holds 2 different words that are not common, or when it is twice as long with 14
different words in it, which boilerplate hardly has: a sentence has. Common are the words that most
packages use, 4,000 in a list that `scripts/common_words.py` makes. Numbers and signs are no words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m31r_core.errors import M31RError
from m31r_data.dedup.shingles import Hashes, mix, token_hashes

COMMON_WORDS = Path(__file__).with_name("common_words.txt")
OWN_WORDS = 2
LONG = 2
LONG_WORDS = 14

_WORD = re.compile(r"(?<![\w])[A-Za-z_]\w*", re.ASCII)
# What describes a task, and what is shown beside the file that it is about.
_NOT_CODE = frozenset(
    {"context", "doctests", "edition", "entry_point", "error_code", "error_codes", "expected", "id"}
    | {"kind", "language", "level", "license", "name", "path", "prompt_terminology", "source"}
    | {"stop_tokens", "task_id"}
)
_FILTER_BITS = 22


@dataclass(frozen=True)
class Decontaminator:
    """Which runs of tokens are in the tasks.

    `grams` are hashes of `tokens` tokens in a row, sorted; `likely` says for the low 22 bits of a
    hash whether any gram has them, bool [2^22]: one look instead of a search. `words` are the
    sorted hashes of the tasks' words, `own` of those that are not common.
    """

    grams: Hashes
    likely: NDArray[np.bool_]
    words: Hashes
    own: Hashes
    tokens: int

    @classmethod
    def from_tasks(cls, paths: Iterable[Path], tokens: int = 13) -> Decontaminator:
        """Read task files: JSON Lines where the name ends in `.jsonl`, or else a text as it is.

        Raises M31RError naming a file that cannot be read, and the line that is not JSON.
        """
        return cls.from_texts((text for path in paths for text in task_texts(path)), tokens)

    @classmethod
    def from_texts(cls, texts: Iterable[str], tokens: int = 13) -> Decontaminator:
        """Take every run of `tokens` tokens of each text; a shorter text has none."""
        parts = [np.zeros(0, dtype=np.uint64)]
        words: set[str] = set()
        for text in texts:
            parts.append(_grams(token_hashes(text), tokens))
            words.update(_WORD.findall(text))
        grams = np.unique(np.concatenate(parts))
        likely = np.zeros(2**_FILTER_BITS, dtype=np.bool_)
        likely[_low_bits(grams)] = True
        own = words.difference(common_words())
        return cls(grams, likely, _hashes_of(words), _hashes_of(own), tokens)

    def overlaps(self, text: str) -> bool:
        """Say whether `text` shares a run of tokens with a task that is the task's own."""
        tokens = token_hashes(text)
        for start, end in self._runs(tokens):
            different = np.unique(tokens[start:end])
            if np.count_nonzero(_is_in(different, self.own)) >= OWN_WORDS:
                return True
            words = np.count_nonzero(_is_in(different, self.words))
            if end - start >= LONG * self.tokens and words >= LONG_WORDS:
                return True
        return False

    def _runs(self, tokens: Hashes) -> Iterator[tuple[int, int]]:
        """Yield first and last-plus-one of the longest runs of tokens that tasks hold as well."""
        grams = _grams(tokens, self.tokens)
        places = np.flatnonzero(self.likely[_low_bits(grams)])
        places = places[_is_in(grams[places], self.grams)]
        if not len(places):
            return
        breaks = np.flatnonzero(np.diff(places) > 1)
        starts = places[np.concatenate([[0], breaks + 1])]
        ends = places[np.concatenate([breaks, [len(places) - 1]])] + self.tokens
        yield from zip(starts.tolist(), ends.tolist(), strict=True)


def task_texts(path: Path) -> Iterator[str]:
    """Yield what must not be trained on of a task file, as `Decontaminator.from_tasks` reads it."""
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise M31RError(f"{path}: cannot be read as a task file ({error})") from error
    if path.suffix != ".jsonl":
        yield content
        return
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            try:
                yield from _texts(json.loads(line))
            except ValueError as error:
                raise M31RError(f"{path}: line {number} is not JSON ({error})") from error


def _texts(task: object) -> Iterator[str]:
    """Yield the strings of a task; what surrounds a middle is one text with it."""
    if isinstance(task, str):
        yield task
    elif isinstance(task, list):
        for part in task:
            yield from _texts(part)
    elif isinstance(task, dict):
        around = ("prefix", "middle", "suffix")
        if all(isinstance(task.get(key), str) for key in around):
            yield "".join(task.pop(key) for key in around)
        for key, value in task.items():
            if key not in _NOT_CODE:
                yield from _texts(value)


def _grams(tokens: Hashes, n: int) -> Hashes:
    """Return a hash of each `n` tokens in a row, in their order: uint64 [tokens - n + 1]."""
    count = max(len(tokens) - n + 1, 0)
    hashes = np.zeros(count, dtype=np.uint64)
    for place in range(n):
        hashes *= np.uint64(0x9E3779B97F4A7C15)
        hashes += tokens[place : place + count]
    return mix(hashes)


def _low_bits(hashes: Hashes) -> NDArray[np.uint64]:
    return hashes & np.uint64(2**_FILTER_BITS - 1)


def _is_in(hashes: Hashes, known: Hashes) -> NDArray[np.bool_]:
    """Say for each of `hashes` whether it is among `known`, which are sorted."""
    if not len(known):
        return np.zeros(len(hashes), dtype=np.bool_)
    found: NDArray[np.bool_] = known[np.searchsorted(known[:-1], hashes)] == hashes
    return found


def _hashes_of(words: Iterable[str]) -> Hashes:
    return np.unique(token_hashes(" ".join(words)))


def common_words() -> Sequence[str]:
    """Return the words of the list, the most common first."""
    return COMMON_WORDS.read_text(encoding="utf-8").split()
