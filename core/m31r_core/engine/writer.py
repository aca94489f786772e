"""What a generation has written so far."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from m31r_core.tokenizer import Tokenizer


class Writer:
    """The tokens written so far, and what is left of the bytes they must begin with."""

    def __init__(self, tokenizer: Tokenizer, healed: bytes) -> None:
        """Begin with nothing written and `healed` to be written first."""
        self.ids: list[int] = []
        self.logprobs: list[float] = []
        self._tokenizer = tokenizer
        self._rest = healed
        self._written = b""

    def copy(self) -> Writer:
        """Return another that has written the same."""
        other = Writer(self._tokenizer, self._rest)
        other.ids, other.logprobs = self.ids.copy(), self.logprobs.copy()
        other._written = self._written
        return other

    @property
    def healing(self) -> bool:
        """Whether bytes to begin with are left."""
        return bool(self._rest)

    def bytes_of(self, token: int) -> bytes:
        """Return the bytes of a token."""
        return self._tokenizer.token_bytes(token)

    def allowed(self) -> NDArray[np.int64] | None:
        """Return the ids that can come next, or None for all."""
        return self._tokenizer.tokens_compatible_with(self._rest) if self._rest else None

    def add(self, token: int, logprob: float) -> None:
        """Write a token."""
        data = self._tokenizer.token_bytes(token)
        self.ids.append(token)
        self.logprobs.append(logprob)
        self._written += data[len(self._rest) :]
        self._rest = self._rest[len(data) :]

    def text(self, more: bytes = b"") -> str:
        """Return the text, with `more` behind it, without the healed bytes."""
        return whole_characters(self._written + more).decode("utf-8", errors="replace")


def whole_characters(data: bytes) -> bytes:
    """Return `data` without the beginning of a UTF-8 character at its end."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        length = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return data[:-back] if length > back else data
    return data
