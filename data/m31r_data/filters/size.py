"""Refuse files with next to nothing in them and files of machine size."""

from __future__ import annotations

from m31r_data.config import FilterConfig
from m31r_data.document import Document
from m31r_data.filters.answer import Answer, refuse_if


def size(document: Document, config: FilterConfig) -> Answer:
    """Hold `min_bytes` and `max_bytes` of UTF-8."""
    length = len(document.text.encode("utf-8", errors="surrogatepass"))
    if length < config.min_bytes:
        return False, "too small"
    return refuse_if(length > config.max_bytes, "too large")
