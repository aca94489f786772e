"""How often each mutator is asked, whatever a crate offers most of.

Chosen by what the mutators give in real crates (docs/data.md): those that lead to errors of the
borrow checker come first, the many that lead to a mismatch of types or an unknown name last.
"""

from __future__ import annotations

from collections.abc import Mapping

from m31r_data.mutate.table import ALL

_BY_PHASE = {"borrow": 4.0, "types": 0.8, "resolve": 0.6, "syntax": 0.12}
_MISMATCHED = 0.3
_UNKNOWN_NAME = 0.35
_OFTEN = 2.0
_OTHER: Mapping[str, float] = {
    **dict.fromkeys(
        (
            "drop-argument-reference",
            "drop-reference",
            "add-reference",
            "exclusive-to-shared",
            "drop-unwrap",
            "drop-wrapper",
            "add-wrapper",
            "drop-cast",
            "wrong-cast",
            "drop-conversion",
            "wrong-primitive",
            "wrong-literal",
            "add-semicolon",
            "assign-for-compare",
            "compare-with-reference",
            "drop-option",
            "swap-arguments",
            "drop-result-type",
            "wrong-result-type",
            "drop-body",
            "wrong-literal-pattern",
            "option-pattern",
        ),
        _MISMATCHED,
    ),
    **dict.fromkeys(
        (
            "misspell-variable",
            "misspell-declaration",
            "misspell-function",
            "misspell-type",
            "misspell-associated-type",
            "drop-self-prefix",
            "drop-path",
            "drop-statement",
            "drop-bound-name",
            "drop-parameter",
            "drop-trait-parameter",
            "drop-type-parameter",
            "drop-closure-parameter",
            "missing-element",
        ),
        _UNKNOWN_NAME,
    ),
    **dict.fromkeys(
        (
            "drop-let-mut",
            "drop-pattern-mut",
            "drop-initial-value",
            "share-self",
            "share-parameter",
            "assign-again",
            "return-view-of-clone",
            "other-lifetime",
            "promise-static",
            "view-of-temporary",
        ),
        _OFTEN,
    ),
    **dict.fromkeys(
        (
            "drop-declared-lifetime",
            "misspell-lifetime",
            "drop-field-lifetime",
            "drop-type-lifetime",
            "drop-result-lifetime",
            "lend-from-loop",
            "reference-from-closure",
            "borrow-argument",
            "return-view",
            "drop-copy",
        ),
        1.0,
    ),
}


def weights() -> Mapping[str, float]:
    """Return the weight of each mutator by name."""
    return {each.name: _OTHER.get(each.name, _BY_PHASE[each.phase]) for each in ALL}
