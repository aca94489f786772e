"""Where a suggestion would stand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cursor:
    """The file's text before and after the cursor."""

    prefix: str
    suffix: str

    def without(self, behind: int) -> Cursor:
        """The same place with so many characters behind it gone."""
        return Cursor(self.prefix, self.suffix[behind:]) if behind else self

    @property
    def line_before(self) -> str:
        """The cursor's line up to the cursor."""
        return self.prefix[self.prefix.rfind("\n") + 1 :]

    @property
    def line_after(self) -> str:
        """The cursor's line behind the cursor, without the line end."""
        return self.suffix.partition("\n")[0].rstrip("\r")
