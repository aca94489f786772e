"""Take away blanks that would indent a line further than the code around it."""

from __future__ import annotations

from m31r_lsp.filters.cursor import Cursor

_UNIT = "    "


def normalise_indentation(text: str, cursor: Cursor) -> str:
    """Drop the blanks at the beginning of `text` that stand there already, or are too many.

    Only on a line that is blank so far, below one that ends a statement or opens something: there
    the indentation is known.
    """
    if cursor.line_before.strip() or not text[:1].isspace() or text[0] in "\r\n":
        return text
    expected = _expected(cursor)
    if expected is None:
        return text
    words = text.lstrip(" \t")
    blanks = text[: len(text) - len(words)]
    room = max(_width(expected) - _width(cursor.line_before), 0)
    while blanks and _width(blanks) > room:
        blanks = blanks[1:]
    return blanks + words


def _expected(cursor: Cursor) -> str | None:
    """Return the indentation that a statement has on the cursor's line, None where any may do."""
    lines = cursor.prefix.split("\n")[:-1]
    above = next((line for line in reversed(lines) if line.strip()), None)
    if above is None:
        return ""
    indentation = above[: len(above) - len(above.lstrip(" \t"))]
    last = above.rstrip()[-1]
    if last in "{([":
        return indentation + ("\t" if indentation.startswith("\t") else _UNIT)
    return indentation if last in ";}," else None


def _width(blanks: str) -> int:
    return sum(4 if each == "\t" else 1 for each in blanks)
