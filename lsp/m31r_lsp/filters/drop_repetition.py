"""Drop text that goes round in circles."""

from __future__ import annotations

import re

from m31r_lsp.filters.cursor import Cursor

# The same 2 to 32 characters four times in a row.
_CIRCLE = re.compile(r"(.{2,32}?)\1{3}")


def drop_repetition(text: str, cursor: Cursor) -> str:
    """Drop `text` where it repeats itself, or makes the line a copy of the one above."""
    # Without a letter it can be a table of numbers, or alignment.
    circles = any(any(map(str.isalpha, match[1])) for match in _CIRCLE.finditer(text))
    return "" if circles or _copies_line_above(text, cursor) else text


def _copies_line_above(text: str, cursor: Cursor) -> bool:
    above, _, current = cursor.prefix.rpartition("\n")
    line = (current + text + cursor.line_after).strip()
    last = above.rstrip().rpartition("\n")[2].strip()
    return line == last and sum(map(str.isalnum, line)) >= 3
