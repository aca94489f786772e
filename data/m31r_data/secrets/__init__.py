"""Keep secrets and personal data out of the training set, and the code around them valid.

A token keeps its length and the prefix that says what it is, and loses the rest: `ghp_` and 36
times `X`. A string stays a string of its size, a line a line. Mail addresses become one of
example.com. Hashes, test vectors, IP addresses and telephone numbers stay: in source code they
are nearly always public constants or made up, and no rule tells the few others from them.
"""

from __future__ import annotations

from collections import Counter

from m31r_data.secrets.assignments import mask_assignments
from m31r_data.secrets.mails import mask_mails
from m31r_data.secrets.pem import mask_private_keys
from m31r_data.secrets.tokens import mask_tokens
from m31r_data.secrets.urls import mask_urls

__all__ = ["mask_secrets"]

_STEPS = (mask_private_keys, mask_tokens, mask_urls, mask_assignments, mask_mails)


def mask_secrets(text: str) -> tuple[str, Counter[str]]:
    """Return `text` without secrets and mail addresses, and how many were masked, by kind.

    Masking again changes nothing, the number of lines stays, and so does all other text.
    """
    counts: Counter[str] = Counter()
    before = -1
    # What is masked may have hidden the beginning of something else.
    while counts.total() > before:
        before = counts.total()
        for step in _STEPS:
            text = step(text, counts)
    return text, counts
