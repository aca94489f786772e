"""Tokens for the model to verify in one step: where they come from, how many, and when none.

A step of several tokens costs more than one of a single token; it pays when enough of the drafted
ones are what the model would have written. Both are measured while decoding: what is written does
not depend on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from m31r_core.engine.file_cache import SHARES, Match
from m31r_core.engine.ngrams import NgramCache

# Drafts have one of these lengths: few, so that what a step costs is known soon, and odd, as a step
# has an even number of tokens (session.py): the first drafted one costs nothing.
LENGTHS = (1, 3, 7)
WORKSPACE = 0
# What is seen counts 1 a token; what is believed before counts like this many.
_PRIOR = 4.0
# Beyond this many, older tokens count for less.
_REMEMBERED = 64.0
_FORGET = 0.9


@dataclass(frozen=True)
class Draft:
    """Tokens that may come next.

    `source` is how many tokens matched where the file was found to go on so, or `WORKSPACE`.
    """

    ids: list[int] = field(default_factory=list)
    source: int = WORKSPACE


class Drafter:
    """Drafts from the open file and from what `workspace` learnt of others."""

    def __init__(self, workspace: NgramCache, policy: DraftPolicy) -> None:
        """Join the parts."""
        self.workspace = workspace
        self.policy = policy

    def draft(self, context: Sequence[int], match: Match | None, most: int) -> Draft:
        """Return at most `most` tokens that may come behind `context`, as many as pay.

        `match` is where the file says the same.
        """
        found = {WORKSPACE: self.workspace.following(context, LENGTHS[-1])}
        if match is not None:
            found[match.length] = match.following(LENGTHS[-1])
        for source in sorted(found, key=self.policy.share_right, reverse=True):
            if ids := found[source][:most]:
                return Draft(ids[: self.policy.length(source, len(ids))], source)
        return Draft()


class DraftPolicy:
    """Chooses the length of drafts by what they cost and how often they were right."""

    def __init__(self) -> None:
        """Believe that drafts from longer matches are better."""
        sources = range(len(SHARES) + 1)
        self._tried = dict.fromkeys(sources, _PRIOR)
        self._right = {source: _PRIOR * _believed(source) for source in sources}
        self._costs_ms: dict[int, float] = {}

    def share_right(self, source: int) -> float:
        """Return how likely a token from `source` is right if those before it were."""
        return self._right[source] / self._tried[source]

    def length(self, source: int, most: int) -> int:
        """Return how many tokens to draft, at most `most`, for most tokens a millisecond."""
        right = self.share_right(source)

        def rate(drafted: int) -> float:
            # One token always comes of a step, and each drafted one if all before it were right.
            return sum(right**i for i in range(drafted + 1)) / self._cost_ms(drafted)

        return max((length for length in LENGTHS if length <= most), key=rate)

    def learn(self, draft: Draft, accepted: int) -> None:
        """Note that the first `accepted` tokens of `draft` were right."""
        source = draft.source
        if self._tried[source] > _REMEMBERED:
            self._tried[source] *= _FORGET
            self._right[source] *= _FORGET
        self._tried[source] += min(accepted + 1, len(draft.ids))
        self._right[source] += accepted

    def learn_cost(self, drafted: int, took_ms: float) -> None:
        """Note how long a step with `drafted` tokens behind the first one took."""
        if drafted not in LENGTHS:
            return
        known = self._costs_ms.get(drafted, took_ms)
        self._costs_ms[drafted] = _FORGET * known + (1 - _FORGET) * took_ms

    def _cost_ms(self, drafted: int) -> float:
        if drafted in self._costs_ms:
            return self._costs_ms[drafted]
        return self._costs_ms.get(LENGTHS[0], 1.0) * (1 + 0.2 * drafted)


def _believed(source: int) -> float:
    return 0.5 if source == WORKSPACE else min(0.9, 0.3 + 0.1 * source)
