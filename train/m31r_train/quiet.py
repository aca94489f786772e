"""What the processes that write no logs have in the place of a RunLog."""

from __future__ import annotations

from collections.abc import Iterator

from m31r_train.checkpoint import Position
from m31r_train.replica import StepResult


class QuietLog:
    """Takes what a RunLog takes, and says and writes nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""

    def event(self, position: Position, name: str, **details: object) -> None:
        """Log nothing."""

    def timed(self, steps: Iterator[StepResult]) -> Iterator[StepResult]:
        """Pass `steps` on."""
        return steps

    def step(self, position: Position, result: StepResult, factor: float) -> None:
        """Log nothing."""

    def skipped(self, position: Position, result: StepResult, limit: float) -> None:
        """Log nothing."""

    def valid(self, position: Position, loss: float, bytes_per_token: float) -> None:
        """Log nothing."""

    def cut(self, position: Position) -> None:
        """Forget nothing."""

    def close(self) -> None:
        """Close nothing."""
