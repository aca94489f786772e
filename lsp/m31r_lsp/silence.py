"""When to say nothing. Each silence has a reason, which goes to the debug log."""

from __future__ import annotations

from m31r_core.syntax import cursor_state
from m31r_lsp.filters.cursor import Cursor
from m31r_lsp.settings import CompletionSettings, Settings

_ITEM_END = "\n}\n"
# In characters.
_NEAR = 4_000


def switched_off(settings: Settings) -> str | None:
    """Return why there is no ghost text at all, or None."""
    if not settings.completion.enabled:
        return "completion.enabled is false"
    if not settings.trusted:
        return "the workspace is not trusted"
    return None


def before_asking(
    settings: Settings, *, size: int, deleted: bool = False, by_hand: bool = False
) -> str | None:
    """Return why a request is not worth a look at the text, or None.

    `size` is the file's length in bytes; `deleted` says that the latest edit was a deletion, which
    is of no matter when the user asked `by_hand`.
    """
    reason = switched_off(settings)
    if reason is not None:
        return reason
    completion = settings.completion
    if completion.trigger == "manual" and not by_hand:
        return "completion.trigger is manual"
    limit = completion.max_file_bytes
    if size > limit:
        return f"the file has {size} bytes, completion.max_file_bytes is {limit}"
    if deleted and not (by_hand or completion.after_deletion):
        return "the latest edit was a deletion"
    return None


def at_cursor(
    completion: CompletionSettings, cursor: Cursor, *, by_hand: bool = False
) -> str | None:
    """Return why nothing is said at this place in the text, or None. Parses what is near it.

    Asked `by_hand`, comments and strings are no reason.
    """
    if _in_word(cursor):
        return "the cursor is inside a word"
    if by_hand:
        return None
    if completion.in_comments and completion.in_strings:
        return None
    before, after = _window(cursor)
    state = cursor_state(before + after, len(before))
    if state == "comment" and not completion.in_comments:
        return "the cursor is in a comment"
    if state == "string" and not completion.in_strings:
        return "the cursor is in a string"
    return None


def _window(cursor: Cursor) -> tuple[bytes, bytes]:
    """Return the text around the cursor, from the end of a top-level item on.

    Parsing a megabyte takes a tenth of a second and more, and stops every other thread.
    """
    start = cursor.prefix.rfind(_ITEM_END, 0, max(0, len(cursor.prefix) - _NEAR))
    first = 0 if start < 0 else start + len(_ITEM_END)
    return cursor.prefix[first:].encode(), cursor.suffix[:_NEAR].encode()


def _in_word(cursor: Cursor) -> bool:
    edges = cursor.prefix[-1:], cursor.suffix[:1]
    return all(edge.isalnum() or edge == "_" for edge in edges if edge) and all(edges)
