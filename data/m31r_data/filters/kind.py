"""Refuse kinds of files that are wrong on purpose or teach nothing."""

from __future__ import annotations

from m31r_data.config import FilterConfig
from m31r_data.document import Document
from m31r_data.filters.answer import Answer, refuse_if


def kind(document: Document, config: FilterConfig) -> Answer:
    """Refuse the kinds of `skip_kinds`; the reason names the kind."""
    return refuse_if(document.kind in config.skip_kinds, f"kind {document.kind}")
