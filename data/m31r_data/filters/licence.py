"""Refuse what may not be trained on."""

from __future__ import annotations

from m31r_data.config import FilterConfig
from m31r_data.document import Document
from m31r_data.filters.answer import Answer, refuse_if
from m31r_data.licences import is_permissive


def licence(document: Document, config: FilterConfig) -> Answer:
    """Refuse a licence that is not permissive, and a file that does not say."""
    if not document.license:
        return False, "licence unknown"
    return refuse_if(not is_permissive(document.license), "licence not permissive")
