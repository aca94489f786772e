"""SIGTERM and Ctrl-C ask a run to stop when its step is done."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

# One Ctrl-C may come twice: from the terminal, and from torchrun, which passes it on.
_TWICE_WITHIN = 1.0


@dataclass
class StopRequest:
    """The signal that asked this process to stop, or None."""

    signal: signal.Signals | None = None

    @property
    def exit_code(self) -> int:
        """128 + the signal's number, as shells have it: 143 for SIGTERM, 130 for SIGINT."""
        return 0 if self.signal is None else 128 + self.signal


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Note SIGTERM and SIGINT instead of dying of them. A second SIGINT ends the process at once.

    Only the main thread may enter this. The handlers of before are put back at the end.
    """
    request, asked = StopRequest(), 0.0

    def handle(number: int, _: FrameType | None) -> None:
        nonlocal asked
        again = request.signal is not None
        if again and number == signal.SIGINT and time.monotonic() - asked > _TWICE_WITHIN:
            os._exit(128 + number)
        if not again:
            request.signal, asked = signal.Signals(number), time.monotonic()
            _say(f"{request.signal.name}: saving after this step; Ctrl-C ends it at once")

    before = {each: signal.signal(each, handle) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _say(text: str) -> None:
    """Write a line to stderr; unlike print, a signal may interrupt another write with it."""
    os.write(2, f"m31r-train: {text}\n".encode())
