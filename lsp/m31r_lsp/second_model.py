"""The model for code actions: its own engine, so that ghost text keeps its thread and its cache."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from m31r_core.bundle import load_bundle
from m31r_core.engine import Completer, Completion, CompletionRequest, Engine
from m31r_core.errors import M31RError

logger = logging.getLogger(__name__)

Cancelled = Callable[[], bool]


class SharedCompleter(Completer):
    """A completer for several threads, one after the other."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._turn = threading.Lock()

    def complete(
        self, request: CompletionRequest, *, cancelled: Cancelled | None = None
    ) -> Completion:
        """As the engine's."""
        with self._turn:
            return super().complete(request, cancelled=cancelled)

    def candidates(
        self,
        request: CompletionRequest,
        n: int,
        *,
        seed: int = 0,
        temperature: float = 0.8,
        top_p: float = 0.95,
        cancelled: Cancelled | None = None,
    ) -> list[Completion]:
        """As the engine's."""
        with self._turn:
            return super().candidates(
                request, n, seed=seed, temperature=temperature, top_p=top_p, cancelled=cancelled
            )

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
    """Loads a bundle once more, when it is first asked for. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bundle: Path | None = None
        self._completer: SharedCompleter | None = None

    def use(self, bundle: Path | None) -> None:
        """Take another bundle from now on, or none."""
        with self._lock:
            if bundle != self._bundle:
                self._bundle, self._completer = bundle, None

    def completer(self) -> Completer | None:
        """Return the model, None where there is none. One thread: it runs beside rustc."""
        with self._lock:
            if self._completer is None and self._bundle is not None:
                try:
                    engine = Engine.load(load_bundle(self._bundle), threads=1)
                except M31RError as error:
                    logger.warning("code actions do without the model: %s", error)
                    self._bundle = None
                else:
                    self._completer = SharedCompleter(engine)
            return self._completer
