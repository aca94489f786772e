"""Trim what already follows the cursor."""

from __future__ import annotations

from m31r_core import brackets
from m31r_lsp.filters.cursor import Cursor


def trim_suffix(text: str, cursor: Cursor) -> str:
    """Cut `text` where it begins to repeat the rest of the line, or drop it as the next line.

    A bracket that closes one of the text's own is not a repetition, and a word is repeated only
    as a whole.
    """
    rest = cursor.line_after.rstrip()
    if not rest.strip():
        return "" if _is_next_line(text, cursor) else text
    while (cut := _repetition(text, rest)) is not None:
        text = text[:cut]
    return text


def _is_next_line(text: str, cursor: Cursor) -> bool:
    below = cursor.suffix.partition("\n")[2].lstrip().partition("\n")[0].rstrip()
    whole = (cursor.line_before + text).strip()
    return whole == below and sum(map(str.isalnum, whole)) >= 3


def _repetition(text: str, rest: str) -> int | None:
    """Return the first index from which `text` and `rest` agree to the end of one of them."""
    start = text.find(rest[0])
    while start >= 0:
        tail = text[start:]
        if (
            (rest.startswith(tail) or tail.startswith(rest))
            and _at_word_edge(text, start, rest)
            and not brackets.open_within(text[:start])
        ):
            return start
        start = text.find(rest[0], start + 1)
    return None


def _at_word_edge(text: str, start: int, rest: str) -> bool:
    """Say whether neither end of the match splits a word."""
    end = start + len(rest)
    splits_head = start > 0 and _word(text[start - 1]) and _word(rest[0])
    splits_tail = end < len(text) and _word(text[end]) and _word(rest[-1])
    return not splits_head and not splits_tail


def _word(character: str) -> bool:
    return character.isalnum() or character == "_"
