"""Places of the valid split where a run completes the rest of a line, to see how it gets on.

It is the question of the evaluation's line tasks (`m31r_eval.building`, which training may not
import), kept small: one place a file, no shares for packages, a narrower window, no file cache, and
no compiler. The numbers show the trend of a run; those of `m31r-eval complete` are to be quoted.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from m31r_core.prompt import Prompt, PromptBudget, build_prompt
from m31r_core.shards import TokenDataset
from m31r_core.syntax import cursor_state
from m31r_core.tokenizer import Tokenizer

_SEED = 1
_LETTERS = 3
_TRIES = 30
# Files larger than this take longer to parse than they are worth.
_LARGEST_TOKENS = 20_000


@dataclass(frozen=True)
class Place:
    """A cursor between `prefix` and `suffix`, and the rest of the line that stood there."""

    path: str
    prefix: str
    middle: str
    suffix: str


def line_places(dataset: TokenDataset, tokenizer: Tokenizer, count: int) -> list[Place]:
    """Return `count` places, or as many as `dataset` has files for: the same at every call."""
    order = list(range(len(dataset)))
    random.Random(_SEED).shuffle(order)
    places: list[Place] = []
    for i in order:
        if len(places) == count:
            break
        ids = dataset.document(i)
        if len(ids) > _LARGEST_TOKENS:
            continue
        record = dataset.record(i)
        chance = random.Random(f"{_SEED}:{record.sha256}:{record.path}")
        place = _place(record.path, tokenizer.decode(ids.tolist()), chance)
        places += [place] if place else []
    return places


def prompt_at(place: Place, tokenizer: Tokenizer, context: int, new_tokens: int) -> Prompt:
    """Return the prompt that asks for the rest of the line; it leaves `new_tokens` of `context`."""
    budget = PromptBudget(context, new_tokens)
    return build_prompt(
        tokenizer, path=place.path, prefix=place.prefix, suffix=place.suffix, budget=budget
    )


def _place(path: str, text: str, chance: random.Random) -> Place | None:
    """Draw a cursor in code, on a line with `_LETTERS` letters behind it; None if there is none."""
    source = text.encode()
    lines = text.split("\n")
    for _ in range(_TRIES):
        number = chance.randrange(len(lines))
        line = lines[number].rstrip()
        columns = [
            column
            for column in range(len(line) - len(line.lstrip()), len(line))
            if sum(map(str.isalpha, line[column:])) >= _LETTERS
        ]
        if not columns:
            continue
        start = sum(len(before) + 1 for before in lines[:number])
        cursor, end = start + chance.choice(columns), start + len(lines[number].rstrip("\r"))
        at, behind = (len(text[:i].encode()) for i in (cursor, start + len(line)))
        if cursor_state(source, at) == "code" and cursor_state(source, behind) != "comment":
            return Place(path, text[:cursor], text[cursor:end], text[end:])
    return None
