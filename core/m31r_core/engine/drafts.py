"""Tokens for the model to verify in one step: where they come from, how many, and when none.

A step of several tokens costs more than one of a single token; it pays when enough of the drafted
ones are what the model would have written. Both are measured while decoding: what is written does
not depend on it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from m31r_core.engine.file_cache import SHARES, FileCache, Match
from m31r_core.engine.ngrams import ORDER, NgramCache

# Drafts have one of these lengths: few, so that what a step costs is known soon, and odd, as a step
# has an even number of tokens (session.py): the first drafted one costs nothing.
LENGTHS = (1, 3, 7)
# What is seen counts 1 a token; what is believed before counts like this many.
_PRIOR = 4.0
# Beyond this many, older tokens count for less.
_REMEMBERED = 64.0
_FORGET = 0.9
_RECENT = 8

Kind = Literal["file", "recent", "workspace"]
# Where a draft is from, and how many tokens matched there.
Source = tuple[Kind, int]


@dataclass(frozen=True)
class Draft:
    """Tokens that may come next, and what says so."""

    ids: list[int] = field(default_factory=list)
    source: Source = ("workspace", ORDER)


class Drafter:
    """Drafts from the open file, from what was written a moment ago, and from other files.

    `workspace` is what is known of the others. What was written is often still right, but for the
    few letters that the user has typed since.
    """

    def __init__(self, workspace: NgramCache, policy: DraftPolicy) -> None:
        """Join the parts."""
        self.workspace = workspace
        self.policy = policy
        self._written: deque[list[int]] = deque(maxlen=_RECENT)
        self._recent = FileCache((), ())

    def note(self, context: Sequence[int], written: Sequence[int]) -> None:
        """Remember what was written behind `context`."""
        self._written.append([*context[-len(SHARES) :], *written])
        self._recent = FileCache(*self._written)

    def draft(self, context: Sequence[int], match: Match | None, most: int) -> Draft:
        """Return at most `most` tokens that may come behind `context`, as many as pay.

        `match` is where the file says the same.
        """
        found: dict[Source, list[int]] = {}
        if match is not None:
            found["file", match.length] = match.following(LENGTHS[-1])
        recent = self._recent.find(context)
        if recent is not None:
            found["recent", recent.length] = recent.following(LENGTHS[-1])
        found["workspace", ORDER] = self.workspace.following(context, LENGTHS[-1])
        for source in sorted(found, key=self.policy.share_right, reverse=True):
            if ids := found[source][:most]:
                return Draft(ids[: self.policy.length(source, len(ids))], source)
        return Draft()


class DraftPolicy:
    """Chooses the length of drafts by what they cost and how often they were right."""

    def __init__(self) -> None:
        """Know nothing yet, and believe that longer matches are better."""
        self._tried: dict[Source, float] = {}
        self._right: dict[Source, float] = {}
        self._costs_ms: dict[int, float] = {}

    def share_right(self, source: Source) -> float:
        """Return how likely a token from `source` is right if those before it were."""
        if source not in self._tried:
            return _believed(source)
        return self._right[source] / self._tried[source]

    def length(self, source: Source, most: int) -> int:
        """Return how many tokens to draft, at most `most`, for most tokens a millisecond."""
        right = self.share_right(source)

        def rate(drafted: int) -> float:
            # One token always comes of a step, and each drafted one if all before it were right.
            return sum(right**i for i in range(drafted + 1)) / self._cost_ms(drafted)

        return max((length for length in LENGTHS if length <= most), key=rate)

    def learn(self, draft: Draft, accepted: int) -> None:
        """Note that the first `accepted` tokens of `draft` were right."""
        if not draft.ids:
            return
        source = draft.source
        tried = self._tried.get(source, _PRIOR)
        right = self._right.get(source, _PRIOR * _believed(source))
        if tried > _REMEMBERED:
            tried, right = tried * _FORGET, right * _FORGET
        self._tried[source] = tried + min(accepted + 1, len(draft.ids))
        self._right[source] = right + accepted

    def learn_cost(self, drafted: int, took_ms: float) -> None:
        """Note how long a step with `drafted` tokens behind the first one took."""
        if drafted in LENGTHS:
            known = self._costs_ms.get(drafted, took_ms)
            self._costs_ms[drafted] = _FORGET * known + (1 - _FORGET) * took_ms

    def _cost_ms(self, drafted: int) -> float:
        if drafted in self._costs_ms:
            return self._costs_ms[drafted]
        return self._costs_ms.get(LENGTHS[0], 1.0) * (1 + 0.2 * drafted)


def _believed(source: Source) -> float:
    return min(0.9, 0.3 + 0.1 * source[1])
