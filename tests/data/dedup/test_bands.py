import random
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from m31r_data.config import DedupConfig
from m31r_data.dedup.bands import candidate_pairs, exact_pairs
from m31r_data.dedup.sketch import SketchFile
from tests.data.dedup.texts import families, pairs_in, write_files

CONFIG = DedupConfig(bands=4, rows=3)


def pairs_of(files: list[SketchFile], slice_size: int = 1000) -> list[list[list[int]]]:
    bands = range(CONFIG.bands)
    found = [candidate_pairs(files, band, slice_size=slice_size) for band in bands]
    found.append(exact_pairs(files, slice_size=slice_size))
    return [pairs_in(keys).tolist() for keys in found]


def test_copies_are_paired_with_the_first_of_them_only(tmp_path: Path) -> None:
    files = write_files(
        tmp_path, [["fn a() {}", "fn b() {}"], ["fn a(){}\n", "fn a ( ) {}"]], CONFIG
    )

    assert pairs_in(exact_pairs(files)).tolist() == [[0, 2], [0, 3]]
    assert not len(pairs_in(candidate_pairs(files, 0)))


def test_slices_and_files_make_no_difference(tmp_path: Path) -> None:
    chance = random.Random(4)
    texts = [text for family in families(chance, 30, 3) for text in (*family, family[1])]
    whole = pairs_of(write_files(tmp_path / "one", [texts], CONFIG))

    assert all(whole)
    assert pairs_of(write_files(tmp_path / "two", [[], texts[:7], [], texts[7:]], CONFIG)) == whole
    assert pairs_of(write_files(tmp_path / "slices", [texts], CONFIG), slice_size=9) == whole


def test_no_documents_have_no_pairs(tmp_path: Path) -> None:
    cases: list[list[list[str]]] = [[], [[]], [[""]]]
    for parts in cases:
        files = write_files(tmp_path / str(len(str(parts))), parts, CONFIG)
        assert pairs_of(files) == [[]] * (CONFIG.bands + 1)


def test_a_huge_bucket_costs_each_document_the_same(tmp_path: Path) -> None:
    # All share their licence and differ in a word: one bucket in most bands.
    texts = [
        "Permission is granted, free of charge, to any person. " * 40 + str(n) for n in range(400)
    ]
    files = write_files(tmp_path, [texts], CONFIG)

    pairs = pairs_in(candidate_pairs(files, 0))

    assert len(np.unique(pairs)) > 300
    assert len(pairs) < 400 * 10


@given(st.lists(st.sampled_from(["a b", "ab", "b a", "", " "]), max_size=12))
def test_exact_pairs_name_the_first(tmp_path_factory, texts: list[str]) -> None:  # type: ignore[no-untyped-def]
    files = write_files(tmp_path_factory.mktemp("exact"), [texts[:5], texts[5:]], CONFIG)
    compact = [text.replace(" ", "") for text in texts]
    first = [compact.index(text) for text in compact]

    found = pairs_in(exact_pairs(files)).tolist()
    assert found == [[one, n] for n, one in enumerate(first) if one < n]
