"""Stop before a bracket that closes nothing, or what is closed further down."""

from __future__ import annotations

from m31r_core.brackets import brackets, is_closer, matches, unclosed
from m31r_lsp.filters.cursor import Cursor

# How much of the file is looked at, in characters.
_BEFORE = 8_000
_AFTER = 4_000


def balance_brackets(text: str, cursor: Cursor) -> str:
    """Cut `text` before its first closing bracket that has no opener waiting for it."""
    waiting: list[str] | None = None
    own: list[str] = []
    for index, bracket in brackets(text):
        if not is_closer(bracket):
            own.append(bracket)
            continue
        if own:
            if not matches(own.pop(), bracket):
                return text[:index]
            continue
        if waiting is None:
            waiting = _waiting(cursor)
        if not waiting or not matches(waiting.pop(), bracket):
            return text[:index]
    return text


def _waiting(cursor: Cursor) -> list[str]:
    before = cursor.prefix[-_BEFORE:]
    if len(cursor.prefix) > _BEFORE:
        before = before.partition("\n")[2]
    return unclosed(before, cursor.suffix[:_AFTER])
