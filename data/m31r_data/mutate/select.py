"""Which of all repair pairs are kept, so that no error drowns the others."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from math import floor, inf

from m31r_data.config import RepairConfig
from m31r_data.mutate.pairs import BORROW_CODES, RepairPair


def key_of(pair: RepairPair) -> tuple[str, str]:
    """Return what a choice needs to know of a pair: its id and main code."""
    return pair.id, pair.codes[0]


def select(keys: Iterable[tuple[str, str]], config: RepairConfig, seed: int) -> list[str]:
    """Return the ids of the pairs to keep, sorted, of (id, code) of all.

    Which pairs of a code stay is drawn by `seed` and their ids: neither the order of `keys` nor
    pairs of other codes matter to it. Holds nothing but ids and codes.
    """
    by_code: dict[str, set[str]] = {}
    for identity, code in keys:
        by_code.setdefault(code, set()).add(identity)
    most = quotas({code: len(found) for code, found in by_code.items()}, config)
    kept: list[str] = []
    for code in sorted(by_code):
        kept += sorted(by_code[code], key=lambda each: _draw(each, seed))[: most[code]]
    return sorted(kept)


def quotas(counts: Mapping[str, int], config: RepairConfig) -> dict[str, int]:
    """Return how many pairs of each code are kept: as many as the two shares allow.

    Codes that are met often are cut to one level, and those that are not the borrow checker's once
    more. With too few codes for `max_code_share` all are cut to as many as the rarest has; without
    any of the borrow checker `min_borrow_share` is left unheeded.
    """
    borrow = [count for code, count in counts.items() if code in BORROW_CODES]
    other = [count for code, count in counts.items() if code not in BORROW_CODES]
    level = rest = max(counts.values(), default=0)
    while level:
        kept = _cut(borrow, level)
        share = config.min_borrow_share
        allowed = kept * (1 - share) / share if share > 0 else inf
        total = kept + _cut(other, min(level, rest))
        if level > floor(config.max_code_share * total):
            level = floor(config.max_code_share * total)
        elif borrow and total - kept > allowed:
            rest = min(level, rest) - 1
        else:
            break
    if not level:
        level = rest = min(counts.values(), default=0)
    return {
        code: min(count, level if code in BORROW_CODES else min(level, rest))
        for code, count in Counter(counts).items()
    }


def _cut(counts: Iterable[int], level: int) -> int:
    return sum(min(count, level) for count in counts)


def _draw(identity: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{identity}".encode()).digest()
