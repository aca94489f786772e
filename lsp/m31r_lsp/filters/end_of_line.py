"""Stop at the end of the line, unless the cursor opens a block."""

from __future__ import annotations

import re

from m31r_core.blocks import opens_block
from m31r_lsp.filters.cursor import Cursor

_LINE_END = re.compile(r"[\r\n]")


def end_of_line(text: str, cursor: Cursor) -> str:
    """Return `text` up to its first line end; all of it where several lines are wanted."""
    if opens_block(cursor.prefix, cursor.suffix):
        return text
    return _LINE_END.split(text, maxsplit=1)[0]
