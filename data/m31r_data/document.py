"""What flows through the pipeline."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Document:
    """One source file. `license` is the SPDX expression its source claims, or empty."""

    package: str
    version: str
    path: str
    license: str
    kind: str
    text: str

    @cached_property
    def sha256(self) -> str:
        """Hash of the text as it was read."""
        return hashlib.sha256(self.text.encode("utf-8", errors="surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Dropped:
    """A document that did not pass, and why: a short constant reason, good for counting."""

    document: Document
    reason: str
