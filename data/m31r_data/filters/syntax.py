"""Refuse what does not parse."""

from __future__ import annotations

from m31r_core.syntax import error_share
from m31r_data.config import FilterConfig
from m31r_data.document import Document
from m31r_data.filters.answer import Answer, refuse_if


def syntax(document: Document, config: FilterConfig) -> Answer:
    """Refuse when more than `max_error_share` of the bytes lie in errors of tree-sitter.

    It errs on a little that rustc accepts, so that one error is not enough. Whole files that it
    takes for errors though rustc does not are of rustc's own sources: syntax that no release has.
    """
    share = error_share(document.text.encode("utf-8", errors="replace"))
    return refuse_if(share > config.max_error_share, "syntax errors")
