"""What every model can be asked, ours and everybody else's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from m31r_core.prompt import Chunk


@dataclass(frozen=True)
class Asked:
    """The text around a cursor, and whether the rest of a line or a block is wanted there."""

    path: str
    prefix: str
    suffix: str
    whole_line: bool = True
    context: tuple[Chunk, ...] = ()
    expected: str = ""
    """What the task has there; only `reference` looks at it."""


@dataclass(frozen=True)
class Drawn:
    """How a text is drawn: `seed` decides, at `temperature` 0 nothing is left to it."""

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: Callable[[str], bool] | None = None
    """True for a text that is long enough; the model need not heed it."""


@dataclass(frozen=True)
class Answer:
    """A completion. `confidence`, 0 to 1, is None for models that say none.

    `details` are equal in every run, `timings_ms` are not.
    """

    text: str
    confidence: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    timings_ms: Mapping[str, float] = field(default_factory=dict)


class Model(Protocol):
    """Completes; one request at a time."""

    @property
    def id(self) -> str:
        """What it is called in tables."""

    def complete(self, asked: Asked, drawn: Drawn) -> Answer:
        """Return what the model would write at the cursor."""
