"""What the open file itself says about the next token: names and lines come again.

A small model sees a window of the file and remembers little of it. This is the continuous cache
of Grave et al. (2017) with n-gram matches in place of hidden states (Tu et al. 2014): where the
last tokens stood before in the file, the tokens that followed get a share of the probability,
the larger the longer the match. What followed the nearest match is also the draft of what comes
next (prompt lookup).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Share of the probability for matches of 1, 2, … tokens; chosen on the validation tasks
# (docs/benchmarks.md).
SHARES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.3, 0.35, 0.35)

_GAP = -1


@dataclass(frozen=True)
class Votes:
    """The share of the probability that the file gives to each token it names."""

    shares: dict[int, float]


@dataclass(frozen=True)
class Match:
    """Where the last `length` tokens stood before: `places` are those of what followed."""

    ids: NDArray[np.int32]
    places: NDArray[np.int64]
    length: int

    def votes(self) -> Votes:
        """Return what the file says of the next token."""
        counts = Counter(self.ids[self.places].tolist())
        one = SHARES[self.length - 1] / len(self.places)
        return Votes({token: one * count for token, count in counts.items()})

    def following(self, n: int) -> list[int]:
        """Return up to `n` tokens that followed the last match in the file."""
        place = int(self.places[-1])
        tokens = self.ids[place : place + n]
        gaps = np.flatnonzero(tokens == _GAP)
        found: list[int] = tokens[: gaps[0] if len(gaps) else n].tolist()
        return found


class FileCache:
    """Tokens, those of one file, to be searched for what the generation ends with."""

    def __init__(self, *parts: Sequence[int]) -> None:
        """Keep the ids of `parts`, such as those before and after the cursor: they do not touch."""
        ids = [_GAP] * len(SHARES)
        for part in parts:
            ids += [*part, _GAP]
        self._ids = np.array(ids, dtype=np.int32)

    def find(self, context: Sequence[int]) -> Match | None:
        """Return the longest matches of the end of `context`, None where the file has none."""
        ids = self._ids
        if not len(context):
            return None
        places = np.flatnonzero(ids[:-1] == context[-1]) + 1
        places = places[ids[places] != _GAP]
        if not len(places):
            return None
        length = 1
        for token in context[-2 : -len(SHARES) - 1 : -1]:
            longer = places[ids[places - 1 - length] == token]
            if not len(longer):
                break
            places, length = longer, length + 1
        return Match(ids, places, length)
