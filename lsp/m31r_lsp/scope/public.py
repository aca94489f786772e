"""The names that a library's sources declare, read with one expression: fast, and a few too many.

A name too many leaves a wrong suggestion alone; one that is missing would blame a right one.
"""

from __future__ import annotations

import re

_DECLARED = re.compile(
    r"""
      \b(?:fn|struct|enum|union|trait|type|mod|const|static|macro_rules!|macro)\s+
        (?!(?:fn|unsafe|async|extern|move)\b)(?:mut\s+)?(?:r\#)?([A-Za-z_]\w*)
    | ^\s*(?:pub(?:\([^)]*\))?\s+)?([a-z_]\w*)\s*:[^:]    # a field
    | ^\s*([A-Z]\w*)\s*(?:[,({=]|$)                       # a variant
    | \bfeature\s*=\s*"([A-Za-z_]\w*)"
    """,
    re.VERBOSE | re.MULTILINE,
)


def declared_names(text: str) -> set[str]:
    """Return the names of items, fields, variants and macros that stand in Rust text."""
    return {next(filter(None, match.groups())) for match in _DECLARED.finditer(text)}
