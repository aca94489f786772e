"""Models without weights: what is expected, nothing, and a copy of the most similar line.

The first two say whether the harness itself is right: 100% and 0%.
"""

from __future__ import annotations

from m31r_eval import copying
from m31r_eval.models.base import Answer, Asked, Drawn


class Reference:
    """Answers what the task expects."""

    id = "reference"

    def complete(self, asked: Asked, drawn: Drawn) -> Answer:
        """Return the expected text."""
        return Answer(asked.expected)


class Empty:
    """Answers nothing."""

    id = "empty"

    def complete(self, asked: Asked, drawn: Drawn) -> Answer:
        """Return the empty text."""
        return Answer("")


class Copy:
    """Copies what stands behind the longest text that also stands before the cursor."""

    id = "copy"

    def complete(self, asked: Asked, drawn: Drawn) -> Answer:
        """Return the rest of a line of the same file."""
        return Answer(copying.complete(asked.prefix, asked.suffix))
