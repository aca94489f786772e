"""What is done to the model's text before it is shown: pure functions in an explicit order.

A filter takes the text and where it would stand, and returns it, shorter or not: no character is
added or changed. It never raises, and a second pass changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from m31r_lsp.filters.balance_brackets import balance_brackets
from m31r_lsp.filters.cursor import Cursor
from m31r_lsp.filters.drop_blank import drop_blank
from m31r_lsp.filters.drop_repetition import drop_repetition
from m31r_lsp.filters.drop_unparsed import drop_unparsed
from m31r_lsp.filters.end_of_block import end_of_block
from m31r_lsp.filters.end_of_line import end_of_line
from m31r_lsp.filters.normalise_indentation import normalise_indentation
from m31r_lsp.filters.swallow import swallowed
from m31r_lsp.filters.trim_suffix import trim_suffix
from m31r_lsp.ghost import Ghost

Filter = Callable[[str, Cursor], str]

FILTERS: tuple[Filter, ...] = (
    end_of_line,
    end_of_block,
    normalise_indentation,
    trim_suffix,
    balance_brackets,
    drop_repetition,
    drop_unparsed,
    drop_blank,
)


@dataclass(frozen=True)
class Filtered:
    """What is left of a text; where that is nothing, `emptied_by` names the filter."""

    ghost: Ghost
    emptied_by: str | None = None


def apply_filters(text: str, cursor: Cursor) -> Filtered:
    """Run all filters, until they leave the text as it is."""
    while True:
        found = _apply(text, cursor)
        if found.ghost.text in (text, ""):
            return found
        text = found.ghost.text


def _apply(text: str, cursor: Cursor) -> Filtered:
    swallows = swallowed(text, cursor)
    left, emptied_by = _run(text, cursor.without(swallows))
    if swallows and swallowed(left, cursor) != swallows:
        swallows = 0
        left, emptied_by = _run(text, cursor)
    return Filtered(Ghost(left, swallows), emptied_by)


def _run(text: str, cursor: Cursor) -> tuple[str, str | None]:
    for each in FILTERS:
        text = each(text, cursor)
        if not text:
            return "", each.__name__
    return text, None
