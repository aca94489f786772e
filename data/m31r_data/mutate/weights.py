"""How often each mutator is asked: more where it yields what is rare, never by what is in a crate.

Measured on real crates (docs/data.md): shares of mutants that fail, and the codes they fail with.
"""

from __future__ import annotations

from collections.abc import Mapping

from m31r_data.mutate.table import ALL

_BY_PHASE = {"borrow": 4.0, "types": 1.0, "resolve": 0.6, "syntax": 0.15}
_OTHER: dict[str, float] = {}


def weights() -> Mapping[str, float]:
    """Return the weight of each mutator by name."""
    return {each.name: _OTHER.get(each.name, _BY_PHASE[each.phase]) for each in ALL}
