"""Refuse packages that somebody looked at and found to teach nothing."""

from __future__ import annotations

from m31r_data.config import FilterConfig
from m31r_data.document import Document
from m31r_data.filters.answer import Answer, refuse_if


def package(document: Document, config: FilterConfig) -> Answer:
    """Refuse the packages of `skip_packages`."""
    return refuse_if(document.package in config.skip_packages, "package skipped")
