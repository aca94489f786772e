"""How plans stand among the tokens of code, where only training sees them.

A plan says what the next statement does, on a line of its own behind a special token:

    <plan>// borrow the map ⏎     let names = &self.names; ⏎

The special token begins it and the newline ends it, so that a plan can be hidden without a trace.
"""

from __future__ import annotations

from collections.abc import Sequence

from m31r_core.tokenizer import PLAN, Tokenizer

# (character at which a line starts, what the statement there does, as a line comment)
Plan = tuple[int, str]


def encode_planned(tokenizer: Tokenizer, text: str, plans: Sequence[Plan]) -> list[int]:
    """Return the ids of `text` with plans before some of its lines, in order of their places.

    Without the plans they are the ids of `text`: see `hide_plans`. Raises ValueError for a plan
    that is not a line, or whose place is not the start of one.
    """
    ids: list[int] = []
    done = 0
    for place, comment in plans:
        if "\n" in comment or (place and text[place - 1 : place] != "\n") or place < done:
            raise ValueError(f"a plan of one line at the start of a line, not {comment!r}, {place}")
        ids += tokenizer.encode(text[done:place])
        ids += plan_ids(tokenizer, comment)
        done = place
    return ids + tokenizer.encode(text[done:])


def plan_ids(tokenizer: Tokenizer, comment: str) -> list[int]:
    """Return what stands before the line that `comment` is about."""
    return [PLAN, *tokenizer.encode(comment), tokenizer.newline]


def hide_plans(tokenizer: Tokenizer, ids: Sequence[int]) -> list[int]:
    """Return `ids` without plans: without PLAN and all up to the newline that follows it."""
    kept: list[int] = []
    hidden = False
    for i in ids:
        hidden = hidden or i == PLAN
        if not hidden:
            kept.append(i)
        hidden = hidden and i != tokenizer.newline
    return kept
