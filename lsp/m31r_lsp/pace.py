"""How long to wait for the next key before the model is asked: not at all, unless keys come faster
than answers."""

from __future__ import annotations

# Weight of the latest observation, and the pause between two keys that is still typing.
_LATEST = 0.2
_PAUSE_S = 0.5


class Pace:
    """Learns how fast the user types and how many answers came too late.

    An answer that a key overtakes was computed for nothing. Where that is the rule, it pays to wait
    for about as long as the next key takes; where it never happens, any wait is a loss.
    """

    def __init__(self) -> None:
        self._interval_s = 0.2
        self._overtaken = 0.0
        self._latest: float | None = None

    def asked(self, now: float) -> None:
        """A request for another place came, at the time `now`, in seconds."""
        if self._latest is not None:
            between = min(max(now - self._latest, 0.0), _PAUSE_S)
            self._interval_s += _LATEST * (between - self._interval_s)
        self._latest = now

    def answered(self, *, in_time: bool) -> None:
        """A request had its answer, or was overtaken by a newer one."""
        self._overtaken += _LATEST * (float(not in_time) - self._overtaken)

    def wait_s(self, most_s: float) -> float:
        """Return how long to wait now, in seconds."""
        return min(self._overtaken * self._interval_s, most_s)
