"""What is shown at the cursor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ghost:
    """Text at the cursor that takes the place of so many characters behind it."""

    text: str = ""
    swallows: int = 0

    def __bool__(self) -> bool:
        return bool(self.text)
