"""Rows of several sets: each has its share, none is cut, and a run goes on anywhere."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_core.config import from_mapping
from m31r_core.errors import ConfigError, M31RError
from m31r_core.prompt import repair_example, suffix_first
from m31r_core.shards import DocumentRecord, ShardWriter, TokenDataset, write_manifest
from m31r_core.tokenizer import DIAGNOSTIC, END, PAD, SUFFIX, Tokenizer, train_tokenizer
from m31r_train.config import LoaderConfig, SetConfig, TrainConfig
from m31r_train.loader import RowLoader
from m31r_train.mixture import MixtureLoader, open_rows, schedule, shares
from m31r_train.packed import PackedLoader, pack
from m31r_train.pretrain import Trainer
from m31r_train.rows import Rows
from tests.train.conftest import SEQUENCE, rust_file

RECORD = DocumentRecord("p", "1.0.0", "src/a.rs", "MIT", "src", "0" * 64)
CONFIG = LoaderConfig(sequence=SEQUENCE, min_example=48)
MIXED = replace(
    CONFIG,
    mixture=(SetConfig("code", 0.7), SetConfig("fim", 0.2), SetConfig("repair", 0.1)),
)


def fim_examples(tokenizer: Tokenizer) -> list[list[int]]:
    texts = [f"fn f{i}() {{\n{'    call();' * (i % 9)}\n}}\n" for i in range(150)]
    return [suffix_first(tokenizer, "src/a.rs", text[:-3], text[-3:]) for text in texts]


def repair_examples(tokenizer: Tokenizer) -> list[list[int]]:
    found = [
        repair_example(
            tokenizer,
            "src/a.rs",
            diagnostic="E0382: use of moved value",
            broken=f"    f({i}, x);\n",
            prefix="fn g() {\n",
            suffix="}\n",
            fixed=f"    f({i}, &x);\n",
            max_tokens=SEQUENCE,
        )
        for i in range(60)
    ]
    return [ids for ids in found if ids is not None]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of code with two ready-made sets beside it; some middles are too long."""
    directory = tmp_path_factory.mktemp("mixed")
    tokenizer = train_tokenizer([rust_file(i) for i in range(8)], 320)
    tokenizer.save(directory / "tokenizer.json")
    sets = {
        "train": [tokenizer.encode(rust_file(i)) for i in range(40)],
        "valid": [tokenizer.encode(rust_file(i)) for i in range(40, 48)],
        "fim-train": [*fim_examples(tokenizer), [20] * 500],
        "repair-train": repair_examples(tokenizer),
    }
    splits = {}
    for name, documents in sets.items():
        writer = ShardWriter(directory, name, shard_tokens=3_000)
        for ids in documents:
            writer.add(ids, RECORD)
        splits[name] = writer.close()
    write_manifest(directory, splits, {})
    return directory


def rows_of(directory: Path, config: LoaderConfig = MIXED, seed: int = 0) -> Rows:
    tokenizer = Tokenizer.load(directory / "tokenizer.json")
    return open_rows(directory, "train", tokenizer, config, seed)


def test_without_a_mixture_rows_are_those_of_code_alone(mixed: Path) -> None:
    tokenizer = Tokenizer.load(mixed / "tokenizer.json")
    alone = RowLoader(TokenDataset.open(mixed, "train"), tokenizer, CONFIG, 3)
    opened = rows_of(mixed, CONFIG, seed=3)
    only = rows_of(mixed, replace(CONFIG, mixture=(SetConfig("code", 2.5),)), seed=3)
    for i in (0, 1, 77, 2345):
        assert opened.row(i) == alone.row(i) == only.row(i)


@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=6), st.integers(0, 10**7))
def test_any_thousand_rows_have_the_shares(weights: list[float], start: int) -> None:
    plan = schedule(shares(weights))
    seen = Counter(plan[i % len(plan)] for i in range(start, start + 1000))
    for source, weight in enumerate(weights):
        assert abs(seen[source] - 1000 * weight / sum(weights)) < 1


@given(st.lists(st.floats(0.01, 10), min_size=2, max_size=6), st.integers(1, 1000))
def test_shares_hold_from_the_start(weights: list[float], rows: int) -> None:
    seen = Counter(schedule(shares(weights))[:rows])
    for source, weight in enumerate(weights):
        assert abs(seen[source] - rows * weight / sum(weights)) <= len(weights)


def test_every_source_is_read_in_its_order_without_gaps(mixed: Path) -> None:
    loader = rows_of(mixed)
    assert isinstance(loader, MixtureLoader)
    taken = [0] * len(loader.sources)
    for i in range(2100):
        source = loader.schedule[i % 1000]
        assert loader.row(i) == loader.sources[source].row(taken[source])
        taken[source] += 1


def test_rows_go_on_from_anywhere(mixed: Path) -> None:
    stream = rows_of(mixed).batches(995, 4)
    first, second = next(stream), next(stream)
    stream.close()
    again = rows_of(mixed)
    assert np.array_equal(first.inputs, again.batch(995, 4).inputs)
    assert np.array_equal(second.targets, again.batch(999, 4).targets)
    assert rows_of(mixed, seed=1).row(1) != again.row(1)


def test_examples_stand_whole_in_their_rows_and_each_comes_once_a_pass(mixed: Path) -> None:
    tokenizer = Tokenizer.load(mixed / "tokenizer.json")
    loader = PackedLoader(TokenDataset.open(mixed, "fim-train"), CONFIG, 5, name="fim")
    assert loader.notes == ("fim: 1 of 151 examples are longer than a row",)
    for turn in (0, 1):
        rows = [loader.row(turn * loader.rows_per_pass + i) for i in range(loader.rows_per_pass)]
        assert {len(row) for row in rows} == {SEQUENCE + 1}
        shown: list[tuple[int, ...]] = []
        for row in rows:
            begin = 0
            for end in (i + 1 for i, token in enumerate(row) if token == END):
                shown.append(tuple(row[begin:end]))
                begin = end
            assert set(row[begin:]) <= {PAD}
        assert sorted(shown) == sorted(map(tuple, fim_examples(tokenizer)))
    first, second = ([loader.row(t * loader.rows_per_pass + i) for i in range(9)] for t in (0, 1))
    assert first != second


@given(st.lists(st.integers(1, 100), min_size=1, max_size=400))
def test_packing_overfills_no_row_and_wastes_little(lengths: list[int]) -> None:
    row_of = pack(np.array(lengths), 100)
    filled = np.bincount(row_of, weights=lengths)
    assert filled.max() <= 100
    assert filled.min() > 0
    assert len(filled) <= 2 * sum(lengths) / 100 + 1


def test_padding_ends_and_what_is_given_have_their_weights(mixed: Path) -> None:
    batch = rows_of(mixed, replace(CONFIG, mixture=(SetConfig("repair", 1),))).batch(0, 8)
    assert (batch.weights[batch.targets == PAD] == 0).all()
    assert (batch.weights[batch.targets == END] == CONFIG.end_weight).all()
    for targets, weights in zip(batch.targets.tolist(), batch.weights.tolist(), strict=True):
        begin, end = targets.index(DIAGNOSTIC), targets.index(SUFFIX)
        assert not any(weights[begin:end])
        assert all(weights[:begin])
        assert all(weights[end : targets.index(END)])


def test_a_set_can_come_from_another_dataset(mixed: Path, dataset: Path, tmp_path: Path) -> None:
    entries = (SetConfig("code", 1), SetConfig("fim", 1, dataset=mixed))
    loader = rows_of(dataset, replace(CONFIG, mixture=entries))
    alone = rows_of(mixed, replace(CONFIG, mixture=(SetConfig("fim", 1),)))
    rows = [loader.row(i) for i in range(6)]
    assert [alone.row(i) for i in range(3)] == rows[1::2]
    train_tokenizer([rust_file(1)], 300).save(tmp_path / "tokenizer.json")
    with pytest.raises(ConfigError, match=r"tokenizer\.json is not the tokenizer of"):
        rows_of(mixed, replace(CONFIG, mixture=(SetConfig("fim", 1, dataset=tmp_path),)))
    with pytest.raises(ConfigError, match=r"missing/tokenizer\.json: No such file"):
        rows_of(mixed, replace(CONFIG, mixture=(SetConfig("fim", 1, dataset=Path("missing")),)))


def test_a_missing_set_is_named_in_one_line(mixed: Path) -> None:
    with pytest.raises(M31RError) as error:
        rows_of(mixed, replace(CONFIG, mixture=(SetConfig("plan", 1),)))
    assert f"{mixed}: no split 'plan-train', only train" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_set_of_which_nothing_fits_is_named(mixed: Path) -> None:
    config = replace(CONFIG, sequence=8, mixture=(SetConfig("repair", 1),))
    with pytest.raises(M31RError, match=r"set 'repair-train': no example fits .* = 8"):
        rows_of(mixed, config)


def test_the_mixture_is_a_list_of_tables() -> None:
    tables = [{"set": "code", "weight": 3}, {"set": "fim", "weight": 1, "dataset": "d"}]
    config = from_mapping({"mixture": tables}, LoaderConfig, "c.toml")
    assert config.mixture == (SetConfig("code", 3.0), SetConfig("fim", 1.0, Path("d")))
    for weight in (0, -1, 0.0009):
        tables[1]["weight"] = weight
        with pytest.raises(ConfigError, match=r"c\.toml: 'loader\.mixture'.*'fim'"):
            from_mapping(
                {"mixture": [{"set": "code", "weight": 1}, tables[1]]}, LoaderConfig, "c.toml"
            )


def test_a_mixed_run_stopped_and_resumed_equals_one_never_stopped(
    mixed: Path, train_config: TrainConfig, tmp_path: Path
) -> None:
    entries = (SetConfig("code", 0.5), SetConfig("fim", 0.3), SetConfig("repair", 0.2, mixed))
    config = replace(
        train_config, dataset=mixed, loader=replace(train_config.loader, mixture=entries)
    )
    losses = []
    for name, stops in (("whole", ()), ("halves", (4,))):
        run = replace(config, output=tmp_path / name)
        run.output.mkdir()
        for stop in stops:
            first = Trainer(run)
            batches = first.loader.batches(0, run.plan.micro_rows)
            for _ in range(stop):
                first.step(batches)
            first.save()
            batches.close()
        Trainer(run).train(resume=bool(stops))
        rows = [json.loads(line) for line in (run.output / "log.jsonl").read_text().splitlines()]
        losses.append([row["loss"] for row in rows if "loss" in row][-4:])
    assert losses[0] == losses[1]
    described = json.loads((tmp_path / "whole" / "step-000008" / "m31r_run.json").read_text())
    assert [entry["set"] for entry in described["loader"]["mixture"]] == ["code", "fim", "repair"]
    assert described["loader"]["mixture"][2]["dataset_id"] == described["dataset_id"]
