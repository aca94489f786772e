"""Which mutants of a crate are tried: the rare kinds more often than they are met.

A crate offers thousands of misspelt names for each value that could be moved too early.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

from m31r_data.compile.batch import Mutant
from m31r_data.mutate.mutation import Mutation


def choose(
    mutations_by_file: Mapping[str, Sequence[Mutation]],
    rng: Random,
    limit: int,
    weights: Mapping[str, float],
    *,
    alone: float = 1.0,
) -> list[Mutant]:
    """Return at most `limit` mutants: of each mutator as many as its weight says, while it has.

    A mutator without a weight counts 1. Each begins with one mutant a function. At most the share
    `alone` of them has no scope: those cannot be tried together with others.
    """
    by_mutator: dict[str, list[Mutant]] = {}
    for path in sorted(mutations_by_file):
        for mutation in mutations_by_file[path]:
            by_mutator.setdefault(mutation.mutator, []).append(Mutant(path, mutation))
    # A name's place in the queue: how many of it were taken, over its weight.
    queue: list[tuple[float, str]] = []
    for name in sorted(by_mutator):
        if weights.get(name, 1.0) > 0:
            by_mutator[name] = _spread(by_mutator[name], rng)
            queue.append((rng.random() / weights.get(name, 1.0), name))
    heapq.heapify(queue)
    chosen: list[Mutant] = []
    left = int(limit * alone)
    while queue and len(chosen) < limit:
        turn, name = heapq.heappop(queue)
        pool = by_mutator[name]
        mutant = pool.pop()
        if mutant.mutation.scope is None:
            if not left:
                if pool:
                    heapq.heappush(queue, (turn, name))
                continue
            left -= 1
        chosen.append(mutant)
        if pool:
            heapq.heappush(queue, (turn + 1 / weights.get(name, 1.0), name))
    return chosen


def _spread(mutants: list[Mutant], rng: Random) -> list[Mutant]:
    """Return them in random order from the end, the first of each function before its second."""
    rng.shuffle(mutants)
    seen: Counter[tuple[str, tuple[int, int] | None]] = Counter()
    ranked = []
    for place, mutant in enumerate(mutants):
        where = (mutant.path, mutant.mutation.scope)
        seen[where] += 1
        ranked.append((seen[where] if where[1] else 1, place))
    return [mutants[place] for _, place in sorted(ranked, reverse=True)]
