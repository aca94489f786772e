"""What a filter answers: yes, or no with a reason good for counting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from m31r_data.config import FilterConfig
from m31r_data.document import Document

Answer = Literal[True] | tuple[Literal[False], str]
"""True lets the document pass; otherwise a short constant says why it does not."""

Filter = Callable[[Document, FilterConfig], Answer]


def refuse_if(refused: bool, reason: str) -> Answer:
    """Answer no, because of `reason`, when `refused`."""
    return (False, reason) if refused else True
