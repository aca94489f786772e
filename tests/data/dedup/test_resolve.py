import random
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m31r_data.config import DedupConfig
from m31r_data.dedup.bands import candidate_pairs, exact_pairs
from m31r_data.dedup.resolve import duplicates, similarities
from m31r_data.dedup.runs import Keys, Pairs
from m31r_data.dedup.shingles import shingle_hashes, token_hashes
from m31r_data.dedup.sketch import SketchFile
from tests.data.dedup.texts import (
    document,
    edited,
    families,
    jaccard,
    pairs_in,
    runs_with,
    write_files,
)

CONFIG = DedupConfig()


def searches(files: list[SketchFile]) -> list[Iterator[Keys]]:
    return [exact_pairs(files), *(candidate_pairs(files, band) for band in range(CONFIG.bands))]


def all_pairs(files: list[SketchFile]) -> Pairs:
    return np.unique(np.concatenate([pairs_in(found) for found in searches(files)]), axis=0)


def dropped(files: list[SketchFile]) -> list[tuple[int, int, bool]]:
    with runs_with(*searches(files)) as runs:
        return [each.tolist() for part in duplicates(files, runs, CONFIG) for each in part]


def test_a_near_duplicate_goes_and_what_resembles_it_less_stays(tmp_path: Path) -> None:
    chance = random.Random(5)
    text = document(chance) + document(chance)
    near, far = edited(text, chance, 0.01), edited(text, chance, 0.3)
    files = write_files(tmp_path, [[text], [far, near]], CONFIG)

    (similarity,), _ = similarities(files, np.array([[0, 2]]))

    assert dropped(files) == [(2, 0, False)]
    assert similarity == pytest.approx(jaccard(text, near, CONFIG.shingle), abs=0.03)


def test_a_copy_goes_with_what_it_is_a_copy_of(tmp_path: Path) -> None:
    chance = random.Random(6)
    text = document(chance) + document(chance)
    near = edited(text, chance, 0.01)
    files = write_files(tmp_path, [[text, near], [near + "\n", text + " ", near]], CONFIG)

    assert dropped(files) == [(1, 0, False), (2, 0, False), (3, 0, True), (4, 0, False)]


def test_what_is_like_a_dropped_document_only_stays(tmp_path: Path) -> None:
    chance = random.Random(7)
    texts = [document(chance) + document(chance) + document(chance)]
    while jaccard(texts[0], texts[-1], CONFIG.shingle) > 0.7:
        texts.append(edited(texts[-1], chance, 0.015))
    similar = {
        (one, other)
        for one, other in combinations(range(len(texts)), 2)
        if jaccard(texts[one], texts[other], CONFIG.shingle) >= CONFIG.jaccard
    }
    files = write_files(tmp_path, [texts], DedupConfig(sketch=10**6))

    gone = {document: kept for document, kept, _ in dropped(files)}

    assert 0 not in gone
    assert set(range(len(texts))) - set(gone) > {0}
    for number in range(1, len(texts)):
        stay = [kept for kept in range(number) if kept not in gone and (kept, number) in similar]
        assert gone.get(number) == (stay[0] if stay else None)


def test_pairs_are_found_as_by_comparing_all_shingles(tmp_path: Path) -> None:
    made = families(random.Random(8), 120, 3)
    texts = list(dict.fromkeys(text for family in made for text in family))
    files = write_files(tmp_path, [texts[:100], texts[100:]], CONFIG)
    shingles = [set(shingle_hashes(token_hashes(text), CONFIG.shingle).tolist()) for text in texts]
    true = {
        (one, other)
        for one, other in combinations(range(len(texts)), 2)
        if len(shingles[one] & shingles[other])
        >= CONFIG.jaccard * len(shingles[one] | shingles[other])
    }

    pairs = all_pairs(files)
    near, _ = similarities(files, pairs)
    found = set(map(tuple, pairs[near >= CONFIG.jaccard].tolist()))

    assert len(true) > 150
    assert len(found & true) >= 0.95 * len(true)
    assert len(found & true) >= 0.99 * len(found)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.data())
def test_order_and_files_do_not_matter_for_which_pairs_are_similar(
    tmp_path_factory: pytest.TempPathFactory, seed: int, data: st.DataObject
) -> None:
    texts = [text for family in families(random.Random(seed), 4, 2) for text in family]
    order = data.draw(st.permutations(range(len(texts))))
    cut = data.draw(st.integers(0, len(texts)))
    folder = tmp_path_factory.mktemp("orders")
    straight = write_files(folder / "straight", [texts], CONFIG)
    shuffled = [texts[place] for place in order]
    mixed = write_files(folder / "mixed", [shuffled[:cut], shuffled[cut:]], CONFIG)

    assert verified(straight, texts) == verified(mixed, shuffled)


def verified(files: list[SketchFile], texts: list[str]) -> dict[frozenset[str], float]:
    pairs = all_pairs(files)
    near, _ = similarities(files, pairs)
    return {
        frozenset((texts[one], texts[other])): value
        for (one, other), value in zip(pairs.tolist(), near.tolist(), strict=True)
        if value >= CONFIG.jaccard
    }


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["a", "let b = 1;", "fn c() {}", ""]), max_size=10), st.data())
def test_equal_texts_are_always_found(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(texts)))
    files = write_files(tmp_path_factory.mktemp("equal"), [texts[:cut], texts[cut:]], CONFIG)
    first = [texts.index(text) for text in texts]

    assert dropped(files) == [(n, one, True) for n, one in enumerate(first) if one < n]


def test_many_pairs_are_decided_like_few(tmp_path: Path) -> None:
    """More pairs than one block holds, all of them among a few documents."""
    texts = [text for family in families(random.Random(9), 40, 4) for text in family]
    files = write_files(tmp_path, [texts[:90], texts[90:]], DedupConfig(sketch=64))
    every = np.array(list(combinations(range(len(texts)), 2)), dtype=np.int64)
    pairs = np.concatenate([every, every[::-1]])

    near, exact = similarities(files, pairs)

    assert len(pairs) > 20_000
    assert near[: len(every)].tolist() == near[len(every) :][::-1].tolist()
    alone = [similarities(files, every[n : n + 1])[0][0] for n in range(0, len(every), 1000)]
    assert alone == near[: len(every) : 1000].tolist()
    assert exact.tolist() == [texts[one] == texts[other] for one, other in pairs]
