"""The order of the prompt's tokens. Nothing else in the project knows it.

Suffix first, so that typing only appends and the KV cache of all that precedes is kept:

    <|file|>path <|context|>path chunk … <|suffix|>text after <|prefix|>text before [middle] <|end|>

Training sees this layout, the classical prefix-suffix-middle order, and files left to right.

A repair is asked for in the same order, what rustc says and the lines that it says it of first:

    <|file|>path <diagnostic>text <|middle|>broken lines <|suffix|>… <|prefix|>… [fixed] <|end|>
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m31r_core.plans import Plan, encode_planned
from m31r_core.tokenizer import (
    CONTEXT,
    DIAGNOSTIC,
    END,
    FILE,
    MIDDLE,
    PREFIX,
    SUFFIX,
    Tokenizer,
)

LAYOUT = "suffix-first/1"

# No text holds more characters a token than this on average.
_MAX_CHARACTERS_PER_TOKEN = 16
_PATH_PARTS = 3
# Share of a repair's tokens that what rustc says may take.
_DIAGNOSTIC_SHARE = 0.15
# What a repair shows around the broken lines is worth asking with at this many tokens.
_LEAST_WINDOW = 32


@dataclass(frozen=True)
class Chunk:
    """A piece of another file that is shown to the model."""

    path: str
    text: str


@dataclass(frozen=True)
class PromptBudget:
    """How many tokens each part of a prompt may take.

    `context_length` bounds prompt and answer together; `max_new_tokens` is kept free for the
    answer; the suffix gets `suffix_share` of the rest and other files `context_share`.
    """

    context_length: int
    max_new_tokens: int = 64
    suffix_share: float = 0.25
    context_share: float = 0.25


@dataclass(frozen=True)
class Prompt:
    """Token ids, and the bytes that the answer must begin with again (token healing).

    `healed` belongs to the text before the cursor but not to `ids`: the last token of an
    unfinished word would hide how the word goes on, so the model writes it anew.
    """

    ids: tuple[int, ...]
    healed: bytes = b""


def build_prompt(
    tokenizer: Tokenizer,
    *,
    path: str,
    prefix: str,
    suffix: str,
    context: Sequence[Chunk] = (),
    budget: PromptBudget,
) -> Prompt:
    """Fit the text around the cursor into `budget` and return the prompt.

    What is near the cursor is kept. The start of the prefix window is a line start that depends
    on how far it lies from the start of the file, in steps: it stays while the user types.
    """
    head = _header(tokenizer, path)
    room = budget.context_length - budget.max_new_tokens - len(head) - 2
    suffix_ids = _take(tokenizer, suffix, int(room * budget.suffix_share))
    context_ids = _context(tokenizer, context, int(room * budget.context_share))
    prefix_ids = _tail(tokenizer, prefix, room - len(suffix_ids) - len(context_ids))
    healed = b""
    if prefix_ids and not prefix.endswith("\n"):
        healed = tokenizer.token_bytes(prefix_ids.pop())
    ids = (*head, *context_ids, SUFFIX, *suffix_ids, PREFIX, *prefix_ids)
    return Prompt(ids, healed)


def left_to_right(
    tokenizer: Tokenizer, path: str, text: str, *, ends: bool, plans: Sequence[Plan] = ()
) -> list[int]:
    """Return a training example without a suffix; `ends` says that the file ends there."""
    ids = encode_planned(tokenizer, text, plans)
    return [*_header(tokenizer, path), PREFIX, *ids, *([END] if ends else [])]


def suffix_first(
    tokenizer: Tokenizer, path: str, before: str, suffix: str, *, plans: Sequence[Plan] = ()
) -> list[int]:
    """Return a training example in the prompt's layout; `before` is prefix and middle.

    The two are encoded as one text: where the middle began cannot be seen, as with token
    healing in `build_prompt`. `plans` stand in `before`.
    """
    ids = encode_planned(tokenizer, before, plans)
    return [*_header(tokenizer, path), SUFFIX, *tokenizer.encode(suffix), PREFIX, *ids, END]


def prefix_suffix_middle(
    tokenizer: Tokenizer, path: str, prefix: str, middle: str, suffix: str
) -> list[int]:
    """Return a training example in PSM order (Bavarian et al. 2022)."""
    return [
        *_header(tokenizer, path),
        PREFIX,
        *tokenizer.encode(prefix),
        SUFFIX,
        *tokenizer.encode(suffix),
        MIDDLE,
        *tokenizer.encode(middle),
        END,
    ]


def repair_prompt(
    tokenizer: Tokenizer,
    path: str,
    *,
    diagnostic: str,
    broken: str,
    prefix: str,
    suffix: str,
    max_tokens: int,
    max_new_tokens: int,
) -> list[int] | None:
    """Return what asks the model for lines that replace `broken` between prefix and suffix.

    `diagnostic` is what rustc says: code, message, labels; its end is cut where it is long.
    `broken` is whole lines, maybe none, and never cut; prefix and suffix are cut at lines, those
    next to `broken` kept. At most `max_tokens` less `max_new_tokens` ids; None when nothing
    would be left for prefix and suffix.
    """
    room = max_tokens - max_new_tokens
    said = _take(tokenizer, diagnostic, int(max_tokens * _DIAGNOSTIC_SHARE))
    ids = [*_header(tokenizer, path), DIAGNOSTIC, *said, MIDDLE, *tokenizer.encode(broken)]
    room -= len(ids) + 2
    if room < _LEAST_WINDOW:
        return None
    before = _last_lines(tokenizer, prefix, room)
    after = _first_lines(tokenizer, suffix, max(room // 3, room - len(before)))
    before = _last_lines(tokenizer, prefix, room - len(after))
    return [*ids, SUFFIX, *after, PREFIX, *before]


def repair_example(
    tokenizer: Tokenizer,
    path: str,
    *,
    diagnostic: str,
    broken: str,
    prefix: str,
    suffix: str,
    fixed: str,
    max_tokens: int,
) -> list[int] | None:
    """Return a training example: `repair_prompt` and the lines `fixed`, never cut, as its answer.

    At most `max_tokens` ids; None for a pair too long for them.
    """
    answer = [*tokenizer.encode(fixed), END]
    asked = repair_prompt(
        tokenizer,
        path,
        diagnostic=diagnostic,
        broken=broken,
        prefix=prefix,
        suffix=suffix,
        max_tokens=max_tokens,
        max_new_tokens=len(answer),
    )
    return None if asked is None else asked + answer


def given(ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which of the ids [rows, length] are rustc's words or broken lines, not to be learnt.

    They begin with DIAGNOSTIC and end before the SUFFIX that follows.
    """
    places = np.where((ids == DIAGNOSTIC) | (ids == SUFFIX), np.arange(ids.shape[1]), 0)
    last = np.maximum.accumulate(places, axis=1)
    inside: NDArray[np.bool_] = np.take_along_axis(ids, last, axis=1) == DIAGNOSTIC
    return inside


def _header(tokenizer: Tokenizer, path: str) -> list[int]:
    short = "/".join(path.replace("\\", "/").split("/")[-_PATH_PARTS:])
    return [FILE, *tokenizer.encode(short)]


def _take(tokenizer: Tokenizer, text: str, limit: int) -> list[int]:
    return tokenizer.encode_edited(text[: limit * _MAX_CHARACTERS_PER_TOKEN])[:limit]


def _context(tokenizer: Tokenizer, chunks: Sequence[Chunk], limit: int) -> list[int]:
    ids: list[int] = []
    for chunk in chunks:
        text = f"{chunk.path}\n{chunk.text}"
        more = [CONTEXT, *tokenizer.encode_edited(text[: limit * _MAX_CHARACTERS_PER_TOKEN])]
        if len(ids) + len(more) > limit:
            break
        ids += more
    return ids


def _tail(tokenizer: Tokenizer, text: str, limit: int) -> list[int]:
    """Return at most `limit` last tokens of `text`, from an anchor that moves in steps.

    A step is `limit` characters, about a quarter of what the window holds. The anchor depends on
    the finished lines alone, which get three quarters of the window: typing within a line never
    moves it.
    """
    line = text.rfind("\n") + 1
    room, step = limit * 3 // 4, max(limit, 1)
    start = _anchor(text[:line], line - room * _MAX_CHARACTERS_PER_TOKEN, step)
    ids = tokenizer.encode_edited(text[start:line])
    while len(ids) > room:
        start = _anchor(text[:line], start + 1, step)
        ids = tokenizer.encode_edited(text[start:line])
    ids += tokenizer.encode_edited(text[max(line, len(text) - limit * _MAX_CHARACTERS_PER_TOKEN) :])
    return ids[-limit:] if limit > 0 else []


def _last_lines(tokenizer: Tokenizer, text: str, limit: int) -> list[int]:
    """Return the ids of the last lines of `text`, as many as `limit` ids hold."""
    near = text[-limit * _MAX_CHARACTERS_PER_TOKEN :] if limit > 0 else ""
    ids = tokenizer.encode(near)
    if len(ids) <= limit and len(near) == len(text):
        return ids
    kept = ids[-limit:] if limit > 0 else []
    return kept[kept.index(tokenizer.newline) + 1 :] if tokenizer.newline in kept else []


def _first_lines(tokenizer: Tokenizer, text: str, limit: int) -> list[int]:
    """Return the ids of the first lines of `text`, as many as `limit` ids hold."""
    near = text[: limit * _MAX_CHARACTERS_PER_TOKEN] if limit > 0 else ""
    kept = tokenizer.encode(near)
    if len(kept) <= limit and len(near) == len(text):
        return kept
    kept = kept[:limit]
    while kept and kept[-1] != tokenizer.newline:
        kept.pop()
    return kept


def _anchor(text: str, at_least: int, step: int) -> int:
    """Return the first line start at or behind the first multiple of `step` from `at_least`."""
    if at_least <= 0:
        return 0
    multiple = -(-at_least // step) * step
    newline = text.find("\n", multiple - 1)
    return len(text) if newline < 0 else newline + 1
