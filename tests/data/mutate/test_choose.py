"""What is tried: by weight, spread over files and functions, the same every time."""

from __future__ import annotations

import random
from collections import Counter

from m31r_data.mutate.choose import choose
from m31r_data.mutate.mutation import Mutation


def offered(counts: dict[str, int], *, scoped: bool = True) -> list[Mutation]:
    """So many mutations of each kind, ten to a function."""
    return [
        Mutation(
            kind,
            at,
            at + 1,
            b"x",
            "types",
            (at // 10 * 10 - 1, at // 10 * 10 + 11) if scoped else None,
        )
        for kind, count in counts.items()
        for at in range(count)
    ]


def kinds(files: dict[str, list[Mutation]], limit: int, weights: dict[str, float]) -> Counter[str]:
    return Counter(
        each.mutation.mutator for each in choose(files, random.Random(1), limit, weights)
    )


def test_a_rare_kind_is_tried_whole_beside_a_frequent_one() -> None:
    found = kinds({"a.rs": offered({"often": 1000, "rare": 5})}, 50, {})
    assert found == {"often": 45, "rare": 5}


def test_weights_share_what_is_tried() -> None:
    found = kinds({"a.rs": offered({"much": 500, "little": 500})}, 100, {"much": 4.0})
    assert 78 <= found["much"] <= 82
    assert kinds({"a.rs": offered({"much": 5, "none": 5})}, 100, {"none": 0.0}) == {"much": 5}


def test_functions_come_once_before_one_comes_twice() -> None:
    chosen = choose({"a.rs": offered({"kind": 200})}, random.Random(1), 20, {})
    assert len({each.mutation.scope for each in chosen}) == 20


def test_files_are_mixed() -> None:
    files = {f"{name}.rs": offered({"kind": 100}) for name in "abcd"}
    chosen = choose(files, random.Random(1), 40, {})
    assert {each.path for each in chosen} == set(files)


def test_what_has_to_be_tried_alone_is_limited() -> None:
    files = {
        "a.rs": offered({"body": 100}) + offered({"item": 100}, scoped=False),
    }
    chosen = choose(files, random.Random(1), 40, {}, alone=0.25)
    alone = [each for each in chosen if each.mutation.scope is None]
    assert (len(alone), len(chosen)) == (10, 40)
    assert len(choose({"a.rs": files["a.rs"][100:]}, random.Random(1), 40, {}, alone=0.25)) == 10


def test_the_order_of_files_does_not_matter() -> None:
    files = {f"{name}.rs": offered({"kind": 30, "other": 9}) for name in "abc"}
    again = dict(reversed(files.items()))
    assert choose(files, random.Random(1), 30, {}) == choose(again, random.Random(1), 30, {})
    assert choose(files, random.Random(1), 30, {}) != choose(files, random.Random(2), 30, {})
