"""The actions that were offered, until the client asks for their edits."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from m31r_core.repair.fixes import Fix
    from m31r_lsp.crates import Findings
    from m31r_lsp.workspace_edit import FileText


@dataclass(frozen=True)
class Offer:
    """A checked fix, the state of the crate it was checked on and the files that it changes."""

    findings: Findings
    fix: Fix
    files: Mapping[str, FileText]


class Offers:
    """The latest offers, at most `capacity`, by number. For the loop's thread."""

    def __init__(self, capacity: int = 64) -> None:
        self._capacity = capacity
        self._numbers = itertools.count(1)
        self._offers: OrderedDict[int, Offer] = OrderedDict()

    def add(self, offer: Offer) -> int:
        """Keep an offer and return its number."""
        number = next(self._numbers)
        self._offers[number] = offer
        while len(self._offers) > self._capacity:
            self._offers.popitem(last=False)
        return number

    def get(self, number: object) -> Offer | None:
        """Return an offer, None for one that was never made or is too old."""
        return self._offers.get(number) if isinstance(number, int) else None

    def clear(self) -> None:
        """Forget all, as when the workspace is no longer trusted."""
        self._offers.clear()
