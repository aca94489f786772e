"""Refuse files in which the same few lines come again and again with other names in them."""

from __future__ import annotations

import re

from m31r_data.config import FilterConfig
from m31r_data.document import Document
from m31r_data.filters.answer import Answer, refuse_if

_WINDOW = 4
_WORD = ord("a")
_WORDS = bytes(
    _WORD if byte > 127 or byte == ord("_") or chr(byte).isalnum() else byte for byte in range(256)
)
_RUN = re.compile(rb"a+")


def repetition(document: Document, config: FilterConfig) -> Answer:
    """Refuse when less than `min_distinct_share` of all runs of 4 lines differ in their shape.

    The shape of a line is its punctuation: every name and number counts as the same word. Comments
    do not count; a file shorter than `min_distinct_lines` may repeat itself.
    """
    source = document.text.encode("utf-8", errors="replace")
    shape = _RUN.sub(b"a", source.translate(_WORDS))
    rows = [row for line in shape.split(b"\n") if (row := line.strip()) and row[:2] != b"//"]
    runs = len(rows) - _WINDOW + 1
    if len(rows) < config.min_distinct_lines:
        return True
    distinct = len(set(zip(*(rows[i:] for i in range(_WINDOW)), strict=False)))
    return refuse_if(distinct < config.min_distinct_share * runs, "repetitive")
