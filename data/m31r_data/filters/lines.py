"""Refuse minified code and embedded data by the length of their lines."""

from __future__ import annotations

from m31r_data.config import FilterConfig
from m31r_data.document import Document
from m31r_data.filters.answer import Answer, refuse_if


def lines(document: Document, config: FilterConfig) -> Answer:
    """Hold `max_line` and `max_mean_line`, in characters."""
    lengths = [len(line) for line in document.text.splitlines() or [""]]
    if max(lengths) > config.max_line:
        return False, "line too long"
    mean = sum(lengths) / len(lengths)
    return refuse_if(mean > config.max_mean_line, "lines too long on average")
