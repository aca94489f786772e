"""Text in HTML: whatever a manifest holds, it stays text."""

from __future__ import annotations

import re
from html import escape

# What HTML cannot hold: control characters but tab and newline, and halves of surrogate pairs.
_FOREIGN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def shown(value: str) -> str:
    """Return `value` escaped for elements and attributes."""
    return escape(_FOREIGN.sub("\ufffd", value))
