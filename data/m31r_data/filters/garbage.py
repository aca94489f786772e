"""Refuse what was not text, or lost its characters on the way through a wrong encoding."""

from __future__ import annotations

import re

from m31r_data.config import FilterConfig
from m31r_data.document import Document
from m31r_data.filters.answer import Answer, refuse_if

# Control characters but tab, line ends and form feed; what stands for bytes that were no text;
# halves of surrogate pairs. rustc takes none of the controls outside of literals and comments.
_GARBAGE = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufffd\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPREAD = 3


def garbage(document: Document, config: FilterConfig) -> Answer:
    """Refuse a text with more than `max_garbage_share` of such characters.

    A few are let through whatever the share: tests of parsers spell them out. One half of a
    surrogate pair is enough to be refused, for no UTF-8 file can hold it.
    """
    text = document.text
    if text.isascii() and text.isprintable():
        return True
    count = len(_GARBAGE.findall(text))
    if count > max(_SPREAD, config.max_garbage_share * len(text)):
        return False, "not text"
    return refuse_if(count > 0 and _SURROGATE.search(text) is not None, "not text")
