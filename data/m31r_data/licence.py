"""Which licences may be trained on."""

from __future__ import annotations

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


@cache
def is_permissive(expression: str) -> bool:
    """Say whether an SPDX expression can be met by permissive licences alone.

    `A OR B` needs one permissive side, `A AND B` both; the old `A/B` of Cargo means OR. An
    exception (`WITH`) only adds permissions. What does not parse is refused.
    """
    try:
        parsed = _licensing().parse(expression.replace("/", " OR "), validate=True)
    except (ExpressionError, ValueError):
        return False
    return parsed is not None and _holds(parsed)


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
