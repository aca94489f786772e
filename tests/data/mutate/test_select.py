"""What is kept: no code drowns the others, the borrow checker has its share."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_data.config import RepairConfig
from m31r_data.mutate.pairs import BORROW_CODES
from m31r_data.mutate.select import quotas, select

CONFIG = RepairConfig(max_code_share=0.15, min_borrow_share=0.2)
COMMON = ("E0308", "E0425", "E0599", "E0277", "E0061", "E0004", "E0107", "E0432", "syntax")
BORROW = sorted(BORROW_CODES)[:8]


def keys_of(counts: dict[str, int]) -> list[tuple[str, str]]:
    return [(f"{code}-{number}", code) for code, count in counts.items() for number in range(count)]


def kept(counts: dict[str, int], config: RepairConfig = CONFIG) -> Counter[str]:
    return Counter(each.split("-")[0] for each in select(keys_of(counts), config, 0))


def test_a_frequent_code_is_cut_to_its_share() -> None:
    counts = {"E0308": 5000, **dict.fromkeys(COMMON[1:], 100), **dict.fromkeys(BORROW, 100)}
    found = kept(counts)
    assert found["E0308"] == int(0.15 * found.total())
    assert found["E0425"] == found[BORROW[0]] == 100


def test_other_codes_make_room_for_the_borrow_checker() -> None:
    counts = {**dict.fromkeys(COMMON, 400), BORROW[0]: 100, BORROW[1]: 150}
    found = kept(counts)
    borrow = found[BORROW[0]] + found[BORROW[1]]
    assert borrow / found.total() >= 0.2
    assert max(found.values()) <= 0.15 * found.total()


def test_without_the_borrow_checker_the_rest_is_kept() -> None:
    assert kept(dict.fromkeys(COMMON, 40)) == dict.fromkeys(COMMON, 40)


def test_with_too_few_codes_all_have_as_many_as_the_rarest() -> None:
    assert kept({"E0308": 50, "E0382": 7}) == {"E0308": 7, "E0382": 7}
    assert kept({}) == {}


@given(
    st.dictionaries(st.sampled_from(COMMON), st.integers(1, 900), min_size=8),
    st.dictionaries(st.sampled_from(BORROW), st.integers(1, 900), min_size=2),
)
def test_both_shares_hold_where_they_can(other: dict[str, int], borrow: dict[str, int]) -> None:
    counts = {**other, **borrow}
    found = quotas(counts, CONFIG)
    assert all(found[code] <= counts[code] for code in counts)
    total = sum(found.values())
    rarest = min(counts.values())
    if set(found.values()) != {rarest}:
        assert max(found.values()) <= CONFIG.max_code_share * total
        assert sum(found[code] for code in borrow) >= CONFIG.min_borrow_share * total


def test_the_choice_depends_on_the_seed_and_not_on_the_order() -> None:
    counts = {"E0308": 900, **dict.fromkeys(COMMON[1:], 60), **dict.fromkeys(BORROW, 60)}
    keys = keys_of(counts)
    chosen = select(keys, CONFIG, 5)
    shuffled = random.Random(2).sample(keys, len(keys))
    assert select(iter(shuffled), CONFIG, 5) == chosen
    assert select(keys, CONFIG, 6) != chosen
    assert chosen == sorted(set(chosen))


def test_more_pairs_of_one_code_do_not_exchange_those_of_another() -> None:
    counts = {**dict.fromkeys(COMMON, 60), **dict.fromkeys(BORROW, 60)}
    before = set(select(keys_of(counts), CONFIG, 0))
    after = set(select(keys_of({**counts, "E0277": 61}), CONFIG, 0))
    assert before <= after


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_shares_at_their_ends_are_no_trap(share: float) -> None:
    config = RepairConfig(max_code_share=1.0, min_borrow_share=share)
    found = kept({"E0308": 10, "E0382": 4}, config)
    assert found == ({"E0308": 10, "E0382": 4} if share == 0 else {"E0382": 4})
