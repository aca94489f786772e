"""Windows of whole lines around a place in a file, as many as a number of tokens holds."""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache

import numpy as np

from m31r_core.tokenizer import Tokenizer


@lru_cache(maxsize=1)
def lines_of(tokenizer: Tokenizer, text: str) -> Lines:
    """Return the lines of `text`, without encoding it again when it is asked about twice."""
    return Lines(tokenizer, text)


class Lines:
    """A text's lines: where they start, in bytes, and how many tokens they are.

    No token reaches over a newline, so that the tokens of lines add up.
    """

    def __init__(self, tokenizer: Tokenizer, text: str) -> None:
        """Encode `text` once."""
        self.source = text.encode()
        data = np.frombuffer(self.source, dtype=np.uint8)
        ends = np.flatnonzero(data == ord("\n")) + 1
        ids = np.array(tokenizer.encode(text), dtype=np.int64)
        tokens = np.flatnonzero(ids == tokenizer.newline) + 1
        if not self.source.endswith(b"\n"):
            ends = np.append(ends, len(self.source))
            tokens = np.append(tokens, len(ids))
        self._starts: list[int] = [0, *ends.tolist()]
        self._tokens: list[int] = [0, *tokens.tolist()]

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self._starts) - 1

    @property
    def total(self) -> int:
        """Tokens of the whole text."""
        return self._tokens[-1]

    def start(self, line: int) -> int:
        """Return the byte at which a line starts; the line behind the last starts at the end."""
        return self._starts[line]

    def line(self, byte: int) -> int:
        """Return the line that holds `byte`."""
        return min(bisect_right(self._starts, byte), len(self)) - 1

    def tokens(self, first: int, end: int) -> int:
        """Return the number of tokens of the lines `first` to `end` - 1."""
        return self._tokens[end] - self._tokens[first]

    def reach(self, first: int, room: int) -> int:
        """Return the line behind as many lines from `first` on as `room` tokens hold."""
        return bisect_right(self._tokens, self._tokens[first] + room) - 1

    def around(self, start: int, end: int, room: int, before: float) -> tuple[int, int] | None:
        """Return bytes [from, to) of whole lines around the bytes [start, end).

        They are at most `room` tokens, of which a share of `before` lies before the place and the
        rest behind it, more where the file ends on the other side. None when the lines of the
        place itself are more.
        """
        first, last = self.line(start), self.line(max(end - 1, start)) + 1
        room -= self.tokens(first, last)
        if room < 0:
            return None
        above, below = self._tokens[first], self.total - self._tokens[last]
        up = min(above, max(int(room * before), room - below))
        top = bisect_right(self._tokens, above - up - 1, hi=first)
        bottom = self.reach(last, room - self.tokens(top, first))
        return self._starts[top], self._starts[bottom]
