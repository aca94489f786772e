"""What an SPDX expression allows, and whether that is enough to train on the file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from boolean.boolean import Expression
from license_expression import (
    AND,
    OR,
    ExpressionError,
    LicenseWithExceptionSymbol,
    Licensing,
    get_spdx_licensing,
)

PERMISSIVE = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-1-Clause",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "ISC",
        "MIT",
        "MIT-0",
        "NCSA",
        "Unicode-3.0",
        "Unicode-DFS-2016",
        "Unlicense",
        "Zlib",
    }
)

# What is longer was not written by an author of a licence field.
_MAX_LENGTH = 2_000

_LICENCE = r"[\w.+-]+(?:\s+WITH\s+[\w.+-]+)?"
_EITHER = re.compile(rf"{_LICENCE}(?:\s*/\s*{_LICENCE})+", re.IGNORECASE)


@cache
def is_permissive(expression: str) -> bool:
    """Say whether an SPDX expression can be met by permissive licences alone.

    `A OR B` needs one permissive side, `A AND B` both; the old `A/B` of Cargo means OR and binds
    first. An exception (`WITH`) only adds permissions. What does not parse is refused, and so are
    names that are no SPDX identifiers (`BSD3`).
    """
    parsed = _parse(expression)
    return parsed is not None and _holds(parsed)


def is_spdx(expression: str) -> bool:
    """Say whether the expression parses, all its names being SPDX identifiers."""
    return _parse(expression) is not None


@cache
def normal(expression: str) -> str:
    """Return the expression as SPDX writes it (`mit/apache-2.0` is `MIT OR Apache-2.0`).

    What does not parse comes back as it is, for the record: `is_permissive` refuses it.
    """
    parsed = _parse(expression)
    return " ".join(expression.split()) if parsed is None else str(parsed.render("{symbol.key}"))


def all_of(expressions: Iterable[str]) -> str:
    """Join expressions that all hold; each stands once, in the order of its first appearance."""
    unique = list(dict.fromkeys(expressions))
    if len(unique) == 1:
        return unique[0]
    return " AND ".join(f"({part})" if " OR " in part else part for part in unique)


def _parse(expression: str) -> Expression | None:
    if len(expression) > _MAX_LENGTH:
        return None
    spelled = _EITHER.sub(lambda found: f"({found[0].replace('/', ' OR ')})", expression)
    try:
        return _licensing().parse(spelled, validate=True)
    except (ExpressionError, ValueError, LookupError, TypeError, AttributeError):
        return None  # `()` and its like get the library's parser into errors of its own


@cache
def _licensing() -> Licensing:
    return get_spdx_licensing()


def _holds(expression: Expression) -> bool:
    if isinstance(expression, OR):
        return any(_holds(part) for part in expression.args)
    if isinstance(expression, AND):
        return all(_holds(part) for part in expression.args)
    if isinstance(expression, LicenseWithExceptionSymbol):
        return expression.license_symbol.key in PERMISSIVE
    return expression.key in PERMISSIVE
