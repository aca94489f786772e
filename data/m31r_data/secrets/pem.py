"""Private keys in PEM, in whatever string or comment they stand."""

from __future__ import annotations

import re
from collections import Counter

from m31r_data.secrets.values import masked

_BEGIN = "PRIVATE KEY"
_BLOCK = re.compile(
    r"-----BEGIN ([A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?)-----(.{0,16000}?)-----END \1-----",
    re.DOTALL,
)
# A key that is cut off, or whose lines are joined by code: as many lines of nothing else as follow.
_OPEN = re.compile(
    r"-----BEGIN ([A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?)-----"
    r"((?:[\s\"'\\+,;/*#]|\\[nrt])*(?:[A-Za-z0-9+/=]{32,}(?:[\s\"'\\+,;/*#]|\\[nrt])*)+)"
)
_DATA = re.compile(r"((?:\\[nrt])*)([A-Za-z0-9+/]{16,}={0,2})")


def mask_private_keys(text: str, counts: Counter[str]) -> str:
    """Mask what stands between the BEGIN and the END line of private keys, certificates not."""
    if _BEGIN not in text:
        return text

    def mask(found: re.Match[str]) -> str:
        body = _DATA.sub(_mask_data, found.group(2))
        if body == found.group(2):
            return found.group()
        counts["private key"] += 1
        begin = found.string[found.start() : found.start(2)]
        return begin + body + found.string[found.end(2) : found.end()]

    return _OPEN.sub(mask, _BLOCK.sub(mask, text))


def _mask_data(found: re.Match[str]) -> str:
    return found.group(1) + masked(found.group(2))
