"""Which documents are good enough to learn from: one filter a module, in an explicit order."""

from __future__ import annotations

from m31r_data.config import FilterConfig
from m31r_data.document import Document
from m31r_data.filters.answer import Answer, Filter
from m31r_data.filters.bindings import bindings
from m31r_data.filters.broken import broken
from m31r_data.filters.garbage import garbage
from m31r_data.filters.generated import generated
from m31r_data.filters.kind import kind
from m31r_data.filters.licence import licence
from m31r_data.filters.lines import lines
from m31r_data.filters.package import package
from m31r_data.filters.repetition import repetition
from m31r_data.filters.size import size
from m31r_data.filters.syntax import syntax
from m31r_data.filters.table import table
from m31r_data.filters.vendored import vendored

__all__ = ["FILTERS", "Answer", "Filter", "first_refusal"]

FILTERS: tuple[Filter, ...] = (
    kind,
    package,
    licence,
    vendored,
    size,
    garbage,
    lines,
    generated,
    broken,
    table,
    bindings,
    repetition,
    syntax,
)
"""In this order: cheap ones first, and those that say most about a file before the others."""


def first_refusal(document: Document, config: FilterConfig) -> str | None:
    """Return the reason of the first filter that refuses, or None when all let it pass."""
    for check in FILTERS:
        answer = check(document, config)
        if answer is not True:
            return answer[1]
    return None
