"""One form for every text: line ends, byte order marks, licence headers."""

from __future__ import annotations

import re

_HEADER_LINE = re.compile(r"[ \t]*(//(?![/!])[^\n]*)?\n")
_HEADER_BLOCK = re.compile(r"\s*/\*(?![*!]).*?\*/[ \t]*\n", re.DOTALL)
_LEGAL = re.compile(r"copyright|licen[cs]e|spdx", re.IGNORECASE)


def normalise(text: str) -> str:
    """Return `text` with LF line ends, no byte order mark, no licence header, one last newline.

    The licence itself stays in the manifest; thousands of copies of its header teach nothing.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    return _without_header(text).strip("\n") + "\n"


def _without_header(text: str) -> str:
    block = _HEADER_BLOCK.match(text)
    end = block.end() if block else 0
    while not block and (line := _HEADER_LINE.match(text, end)):
        end = line.end()
    return text[end:] if _LEGAL.search(text, 0, end) else text
