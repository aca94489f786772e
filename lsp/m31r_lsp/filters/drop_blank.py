"""Show nothing rather than blanks."""

from __future__ import annotations

from m31r_lsp.filters.cursor import Cursor


def drop_blank(text: str, cursor: Cursor) -> str:
    """Return `text` without blanks at its end."""
    return text.rstrip()
