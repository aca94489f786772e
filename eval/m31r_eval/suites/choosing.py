"""Which of many cuts become tasks: evenly over crates, and within a crate over lengths."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def in_turns(
    things: Sequence[T], keys: Sequence[Callable[[T], Hashable]], chance: random.Random
) -> Iterator[T]:
    """Yield all `things`, those of each first key in turns, within it those of the next key.

    Which comes first among equals is up to `chance`.
    """
    if not keys:
        shuffled = list(things)
        chance.shuffle(shuffled)
        yield from shuffled
        return
    groups: dict[Hashable, list[T]] = {}
    for thing in things:
        groups.setdefault(keys[0](thing), []).append(thing)
    names = sorted(groups, key=str)
    chance.shuffle(names)
    turns = [in_turns(groups[name], keys[1:], chance) for name in names]
    while turns:
        left = []
        for turn in turns:
            for thing in turn:
                yield thing
                left.append(turn)
                break
        turns = left


def unlike(things: Iterable[T], key: Callable[[T], Hashable], most: int = 1) -> Iterator[T]:
    """Yield the first `most` things of each key."""
    seen: Counter[Hashable] = Counter()
    for thing in things:
        seen[key(thing)] += 1
        if seen[key(thing)] <= most:
            yield thing
