"""What is done to the model's text before it is shown: pure functions in an explicit order.

A filter takes the text and where it would stand, and returns a beginning of the text: the whole,
a shorter one, or nothing. It never raises, and a second pass changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from m31r_lsp.filters.balance_brackets import balance_brackets
from m31r_lsp.filters.cursor import Cursor
from m31r_lsp.filters.drop_blank import drop_blank
from m31r_lsp.filters.drop_repetition import drop_repetition
from m31r_lsp.filters.end_of_line import end_of_line
from m31r_lsp.filters.trim_suffix import trim_suffix

Filter = Callable[[str, Cursor], str]

FILTERS: tuple[Filter, ...] = (
    end_of_line,
    trim_suffix,
    balance_brackets,
    drop_repetition,
    drop_blank,
)


def apply_filters(text: str, cursor: Cursor) -> tuple[str, str | None]:
    """Run all filters. Returns what is left, and the name of the one that left nothing."""
    for each in FILTERS:
        text = each(text, cursor)
        if not text:
            return "", each.__name__
    return text, None
