"""Telling a computation in another thread to end, in the middle of a step too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stop:
    """Set once, from any thread; called, it says whether it was set."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set = False
        self._listener: Callable[[], None] | None = None

    def __call__(self) -> bool:
        """Say whether it was set."""
        return self._set

    def set(self) -> None:
        """Tell the computation to end."""
        with self._lock:
            self._set = True
            if self._listener is not None:
                self._listener()

    @contextmanager
    def telling(self, listener: Callable[[], None]) -> Iterator[None]:
        """Have `listener` called, by the thread that sets this, as long as the block runs.

        When this was set before, it is called at once. One computation at a time.
        """
        with self._lock:
            self._listener = listener
            if self._set:
                listener()
        try:
            yield
        finally:
            with self._lock:
                self._listener = None


def as_stop(cancelled: Callable[[], bool] | None) -> Stop | None:
    """Return `cancelled` if it can end a step under way too."""
    return cancelled if isinstance(cancelled, Stop) else None
