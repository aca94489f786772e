"""Refuse files that are mostly rows of constants."""

from __future__ import annotations

import re

from m31r_data.config import FilterConfig
from m31r_data.document import Document
from m31r_data.filters.answer import Answer, refuse_if

_ROW = re.compile(
    r"(pub(\([a-z]+\))? )?(const|static) \w+: [\w:&\[\]' ;*]+ = [^{]*;"
    r"|[\[({]?\s*(&?\w*[\"'].*[\"']|b?[\d\"'(\[].*)[\])}]?,"
)


def table(document: Document, config: FilterConfig) -> Answer:
    """Refuse when more than `max_table_share` of the lines that are not blank are such rows."""
    rows = [row for line in document.text.splitlines() if (row := line.strip())]
    matches = sum(1 for row in rows if row[-1] in ",;" and _ROW.fullmatch(row))
    return refuse_if(matches > config.max_table_share * len(rows), "table of constants")
