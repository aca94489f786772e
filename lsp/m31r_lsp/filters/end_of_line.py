"""Stop at the end of the line."""

from __future__ import annotations

import re

from m31r_lsp.filters.cursor import Cursor

_LINE_END = re.compile(r"[\r\n]")


def end_of_line(text: str, cursor: Cursor) -> str:
    """Return `text` up to its first line end."""
    return _LINE_END.split(text, maxsplit=1)[0]
