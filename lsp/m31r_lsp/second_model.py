"""The model for code actions: the same weights, with KV caches of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from m31r_core.engine import Completer, Completion, CompletionRequest, Engine

Cancelled = Callable[[], bool]


class SharedCompleter(Completer):
    """A completer for several threads, one after the other."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._turn = threading.Lock()

    def complete(
        self,
        request: CompletionRequest,
        *,
        stop: Callable[[str], bool] | None = None,
        cancelled: Cancelled | None = None,
    ) -> Completion:
        """As the engine's."""
        with self._turn:
            return super().complete(request, stop=stop, cancelled=cancelled)

    def candidates(
        self, request: CompletionRequest, n: int, *, cancelled: Cancelled | None = None
    ) -> list[Completion]:
        """As the engine's."""
        with self._turn:
            return super().candidates(request, n, cancelled=cancelled)

    def score(
        self,
        path: str,
        prefix: str,
        texts: Sequence[str],
        suffix: str,
        *,
        cancelled: Cancelled | None = None,
    ) -> list[float]:
        """As the engine's."""
        with self._turn:
            return super().score(path, prefix, texts, suffix, cancelled=cancelled)


class SecondModel:
    """A completer beside the one for ghost text, made when it is first asked for.

    Ghost text keeps its thread and its caches; the weights are there once. Safe to use from
    several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._completer: SharedCompleter | None = None

    def use(self, engine: Engine | None) -> None:
        """Share the weights of `engine` from now on, or have no model."""
        with self._lock:
            self._engine, self._completer = engine, None

    def completer(self) -> Completer | None:
        """Return the model, None where there is none."""
        with self._lock:
            if self._completer is None and self._engine is not None:
                self._completer = SharedCompleter(self._engine.share())
            return self._completer
