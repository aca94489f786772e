"""Exact duplicates, whatever their layout."""

from __future__ import annotations

import hashlib


class ExactDedup:
    """Remembers 16 bytes a text. Two texts are the same when they differ only in white space."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._seen: set[bytes] = set()

    def is_new(self, fingerprint: bytes) -> bool:
        """Return whether `fingerprint` is seen for the first time, and remember it."""
        if fingerprint in self._seen:
            return False
        self._seen.add(fingerprint)
        return True


def fingerprint(text: str) -> bytes:
    """Return 16 bytes that texts share when they differ only in white space."""
    return hashlib.blake2b("".join(text.split()).encode(), digest_size=16).digest()
