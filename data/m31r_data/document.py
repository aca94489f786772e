"""What flows through the pipeline."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

Compiles = Literal["yes", "no", "unknown"]


@dataclass(frozen=True)
class Document:
    """One source file.

    `license` is the SPDX expression that holds for it, or empty; `license_from` says where that
    stands (`Cargo.toml`, `debian/copyright`, `SPDX header` …). `kind` is src, test, example,
    bench, build or fixture. `sha256` is of the text as it was read, UTF-8; it is computed when
    empty and stays when steps change the text.
    """

    package: str
    version: str
    path: str
    license: str
    kind: str
    text: str
    license_from: str = ""
    sha256: str = ""

    def __post_init__(self) -> None:
        """Hash the text unless the hash is given."""
        if not self.sha256:
            data = self.text.encode("utf-8", errors="surrogatepass")
            object.__setattr__(self, "sha256", hashlib.sha256(data).hexdigest())


@dataclass(frozen=True)
class Dropped:
    """A document that did not pass, and why: a short constant reason, good for counting."""

    document: Document
    reason: str
