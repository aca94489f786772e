"""Rows: seeded, of one length, whole examples, nothing lost between passes."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m31r_core.shards import TokenDataset
from m31r_core.tokenizer import END, FILE, MIDDLE, PAD, PREFIX, SUFFIX, Tokenizer, train_tokenizer
from m31r_train.config import LoaderConfig
from m31r_train.examples import make_example
from m31r_train.loader import RowLoader
from tests.train.conftest import SEQUENCE, rust_file

CONFIG = LoaderConfig(sequence=SEQUENCE, min_example=48)
TOKENIZER = train_tokenizer([rust_file(i) for i in range(4)], 400)


@pytest.fixture
def loader(dataset: Path) -> RowLoader:
    return open_loader(dataset)


def open_loader(dataset: Path, seed: int = 0, config: LoaderConfig = CONFIG) -> RowLoader:
    tokenizer = Tokenizer.load(dataset / "tokenizer.json")
    return RowLoader(TokenDataset.open(dataset, "train"), tokenizer, config, seed)


def test_a_row_is_a_function_of_seed_and_number(dataset: Path, loader: RowLoader) -> None:
    again = open_loader(dataset)
    assert [loader.row(i) for i in (0, 5, 500)] == [again.row(i) for i in (0, 5, 500)]
    assert open_loader(dataset, seed=1).row(0) != loader.row(0)


def test_rows_have_one_length_and_little_padding(loader: RowLoader) -> None:
    rows = [loader.row(i) for i in range(loader.rows_per_pass)]
    assert {len(row) for row in rows} == {SEQUENCE + 1}
    assert np.mean([row.count(PAD) for row in rows]) < 0.25 * SEQUENCE


def test_every_pass_visits_every_block_once_in_another_order(loader: RowLoader) -> None:
    count = loader.rows_per_pass
    first = [loader._order(0, i) for i in range(count)]
    second = [loader._order(1, i) for i in range(count)]
    assert sorted(first) == sorted(second) == list(range(count))
    assert first != second


def test_batches_go_on_from_any_row(loader: RowLoader) -> None:
    stream = loader.batches(3, 4)
    first, second = next(stream), next(stream)
    stream.close()
    assert np.array_equal(first.inputs, loader.batch(3, 4).inputs)
    assert np.array_equal(second.targets, loader.batch(7, 4).targets)


def test_padding_has_no_weight_and_the_end_has_more(loader: RowLoader) -> None:
    batch = loader.batch(0, 16)
    assert (batch.weights[batch.targets == PAD] == 0).all()
    assert (batch.weights[batch.targets == END] == CONFIG.end_weight).all()
    assert batch.inputs.shape == batch.targets.shape == (16, SEQUENCE)


@pytest.mark.parametrize("psm_share", [0.0, 1.0])
def test_an_example_in_the_middle_loses_no_character(psm_share: float) -> None:
    config = replace(CONFIG, fim_share=1.0, psm_share=psm_share)
    text = rust_file(1)
    for seed in range(50):
        rng = random.Random(seed)
        ids = make_example(TOKENIZER, "src/a.rs", text, config, rng, ends=True)
        assert (ids[0], ids[-1]) == (FILE, END)
        prefix, suffix = ids.index(PREFIX), ids.index(SUFFIX)
        if psm_share:
            middle = ids.index(MIDDLE)
            parts = ids[prefix + 1 : suffix], ids[middle + 1 : -1], ids[suffix + 1 : middle]
        else:
            parts = ids[prefix + 1 : -1], [], ids[suffix + 1 : prefix]
        assert "".join(TOKENIZER.decode(part) for part in parts) == text


def test_middles_that_end_a_line_are_followed_by_a_newline() -> None:
    config = replace(CONFIG, fim_share=1.0, psm_share=0.0, line_share=1.0)
    for seed in range(20):
        rng = random.Random(seed)
        ids = make_example(TOKENIZER, "a.rs", rust_file(2), config, rng, ends=False)
        suffix = TOKENIZER.decode(ids[ids.index(SUFFIX) + 1 : ids.index(PREFIX)])
        assert suffix.startswith("\n")


@settings(max_examples=60)
@given(st.text(min_size=1, max_size=200), st.integers(0, 2**32))
def test_no_text_is_too_strange(text: str, seed: int) -> None:
    ids = make_example(TOKENIZER, "a.rs", text, CONFIG, random.Random(seed), ends=False)
    assert max(ids) < TOKENIZER.vocab_size
