"""Checkpoints are written in the background, while the next steps run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import torch
from torch import Tensor


class BackgroundWriter:
    """Does one write at a time in a thread; used as a context, waits at its end.

    What a write raises is raised by the next call. At the end of a context that failed already,
    the failure of the context is the one that is raised.
    """

    def __init__(self) -> None:
        """Start with nothing to write."""
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None

    def start(self, write: Callable[[], None]) -> None:
        """Wait for the write before, and have `write` called in the background."""
        self.wait()
        self._pending = self._pool.submit(write)

    def check(self) -> None:
        """Raise what the write before failed with, if it has ended. Does not wait."""
        if self._pending is not None and self._pending.done():
            self.wait()

    def wait(self) -> None:
        """Wait for the write before. Raises what it failed with."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def __enter__(self) -> BackgroundWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._pool.shutdown()
        if error is None:
            self.wait()


def copied(tensors: Mapping[str, Tensor], dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """Return copies in main memory, as `dtype` (default: as they are), for a later write."""
    return {name: value.detach().to("cpu", dtype, copy=True) for name, value in tensors.items()}
