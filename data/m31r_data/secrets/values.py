"""Whether a value looks like a secret that somebody has, or like something made up."""

from __future__ import annotations

import math
import re
from collections import Counter

MASK = "X"

_MADE_UP = re.compile(
    r"example|sample|dummy|placeholder|changeme|change_me|redacted|xxxx|your[-_]|test"
    r"|0000|1111|123456|abcdef|asdf|qwert|secret|passw|token|\.\.\.|\*\*\*|<|>|\$|\{|\}",
    re.IGNORECASE,
)
_MIN_DISTINCT = 8


def masked(value: str) -> str:
    """Return a mask of the length of `value`."""
    return MASK * len(value)


def is_random(value: str) -> bool:
    """Say whether `value` may have come out of a generator: many characters, none said to be fake.

    For what stands behind a prefix that only tokens have.
    """
    return len(set(value)) >= _MIN_DISTINCT and "EXAMPLE" not in value.upper()


def is_made_up(value: str) -> bool:
    """Say whether `value` names itself a stand-in."""
    return _MADE_UP.search(value) is not None


def entropy(value: str) -> float:
    """Return the Shannon entropy of the characters of `value`, in bits a character."""
    total = len(value)
    return -sum(n / total * math.log2(n / total) for n in Counter(value).values())
