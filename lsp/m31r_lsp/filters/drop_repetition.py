"""Drop text that goes round in circles."""

from __future__ import annotations

import re

from m31r_lsp.filters.cursor import Cursor

# The same 2 to 32 characters four times in a row.
_CIRCLE = re.compile(r"(.{2,32}?)\1{3}")


def drop_repetition(text: str, cursor: Cursor) -> str:
    """Drop `text` where it repeats itself, or makes the line a copy of the one above.

    Of several lines those before a copy of the line above it are kept.
    """
    first, *others = text.split("\n")
    if _goes_in_circles(first) or _copies_line_above(first, cursor, alone=not others):
        return ""
    kept = [first]
    for line in others:
        if _goes_in_circles(line) or _same(line, kept[-1]):
            break
        kept.append(line)
    return text if len(kept) == len(others) + 1 else "\n".join(kept).rstrip()


def _goes_in_circles(line: str) -> bool:
    # Without a letter it can be a table of numbers, or alignment.
    return any(any(map(str.isalpha, match[1])) for match in _CIRCLE.finditer(line))


def _copies_line_above(text: str, cursor: Cursor, *, alone: bool) -> bool:
    above, _, current = cursor.prefix.rpartition("\n")
    return _same(
        current + text + (cursor.line_after if alone else ""), above.rstrip().rpartition("\n")[2]
    )


def _same(line: str, other: str) -> bool:
    return line.strip() == other.strip() and sum(map(str.isalnum, line)) >= 3
