"""Several sequences kept at once: the places of several files that the user goes between."""

from __future__ import annotations

from collections.abc import Sequence

from m31r_core.engine.graph import Graph
from m31r_core.engine.session import Session

_MOST = 4
# What all slots may take together.
_BYTES = 128 << 20
# A slot is taken over by a prompt that keeps at least this share of what it holds.
_KEPT_SHARE = 0.5


class Slots:
    """Sequences by recent use; a prompt gets the one that it has most in common with."""

    def __init__(self, graph: Graph, most: int = _MOST) -> None:
        """Keep up to `most` sequences, fewer when they would take more than 128 MB."""
        fitting = _BYTES // (graph.bytes_per_token * graph.context_length)
        self.most = max(1, min(most, fitting))
        self._graph = graph
        # The one used last is the last.
        self._sessions: list[Session] = []

    def take(self, ids: Sequence[int]) -> Session:
        """Return a session for `ids`, rewound to what both begin with.

        It is the one that begins like `ids` for longest. When that would throw away most of what
        the session holds, another is used, a new one or the one that was not used for longest,
        and the common beginning is copied.
        """
        best, shared = None, 0
        for session in self._sessions:
            length = common_prefix(session.ids, ids)
            if length >= shared:
                best, shared = session, length
        if best is not None and shared < len(best.ids) * _KEPT_SHARE:
            other = self._free(best)
            if other is not best:
                other.ids = list(best.ids[:shared])
                other.cache.copy_from(best.cache, shared)
                best = other
        chosen = best or self._free(None)
        chosen.rewind(shared)
        if chosen in self._sessions:
            self._sessions.remove(chosen)
        self._sessions.append(chosen)
        return chosen

    def clear(self) -> None:
        """Let go of all of them."""
        self._sessions.clear()

    def _free(self, best: Session | None) -> Session:
        if len(self._sessions) < self.most:
            return Session(self._graph)
        return next((each for each in self._sessions if each is not best), self._sessions[0])


def common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """Return how many items two sequences begin with alike."""
    low, high = 0, min(len(left), len(right))
    left, right = list(left[:high]), list(right[:high])
    # Slices are compared at the speed of C.
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
