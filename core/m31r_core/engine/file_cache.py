"""What the open file itself says about the next token: names and lines come again.

A small model sees a window of the file and remembers little of it. This is the continuous cache
of Grave et al. (2017) with n-gram matches in place of hidden states (Tu et al. 2014): where the
last tokens stood before in the file, the tokens that followed get a share of the probability,
the larger the longer the match.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from m31r_core.engine.sampling import Logits, log_softmax

# Share of the probability for matches of 1, 2, … tokens; chosen on the validation tasks
# (docs/benchmarks.md).
SHARES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.3, 0.35, 0.35)

_GAP = -1


class FileCache:
    """The tokens of one file, to be searched for what the generation ends with."""

    def __init__(self, before: Sequence[int], after: Sequence[int]) -> None:
        """Keep the ids before and after the cursor; the two do not touch."""
        self._ids = np.array([*before, _GAP, *after], dtype=np.int32)

    def mix(self, logits: Logits, context: Sequence[int]) -> Logits:
        """Return log-probabilities [V], in nats, of logits [V] mixed with the file's own.

        `context` are the ids that the next token follows; the ones of the prompt at its end.
        """
        logprobs = log_softmax(logits)
        following, length = self._following(context)
        share = SHARES[length - 1] if length else 0.0
        if not share:
            return logprobs.astype(np.float32)
        probabilities = (1 - share) * np.exp(logprobs)
        np.add.at(probabilities, following, share / len(following))
        return np.log(np.maximum(probabilities, 1e-30)).astype(np.float32)

    def _following(self, context: Sequence[int]) -> tuple[NDArray[np.int32], int]:
        """Return what follows the longest matches of the end of `context`, and their length."""
        ids = self._ids
        places = np.arange(1, len(ids))
        length = 0
        for token in reversed(context[-len(SHARES) :]):
            longer = places[places > length]
            longer = longer[(ids[longer - 1 - length] == token) & (ids[longer] != _GAP)]
            if not len(longer):
                break
            places, length = longer, length + 1
        return (ids[places] if length else ids[:0]), length
