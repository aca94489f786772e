"""A tiny dataset and a configuration that trains on it in seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from m31r_core.model import ModelConfig
from m31r_core.shards import DocumentRecord, ShardWriter, write_manifest
from m31r_core.tokenizer import train_tokenizer
from m31r_train.config import LoaderConfig, PlanConfig, TrainConfig, WatchConfig

SEQUENCE = 128


def rust_file(i: int) -> str:
    """Return a file of about 1 kB with a structure that can be learnt."""
    functions = "".join(
        f"pub fn get_{name}_{i}(values: &[u32]) -> Option<&u32> {{\n"
        f"    let {name} = values.iter().max();\n    {name}\n}}\n\n"
        for name in ("first", "last", "best", "other", "longest", "nearest", "second")
    )
    return f"//! File {i}.\n\nuse std::fmt;\n\n{functions}"


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dataset")
    tokenizer = train_tokenizer([rust_file(i) for i in range(8)], 320)
    tokenizer.save(directory / "tokenizer.json")
    splits = {}
    for split, numbers in (("train", range(40)), ("valid", range(40, 48))):
        writer = ShardWriter(directory, split, shard_tokens=4_000)
        for i in numbers:
            record = DocumentRecord(f"p{i}", "1.0.0", f"src/file{i}.rs", "MIT", "src", "0" * 64)
            writer.add(tokenizer.encode(rust_file(i)), record)
        splits[split] = writer.close()
    write_manifest(directory, splits, {})
    return directory


@pytest.fixture
def train_config(dataset: Path, tmp_path: Path) -> TrainConfig:
    return TrainConfig(
        dataset=dataset,
        output=tmp_path / "run",
        model=ModelConfig(320, 64, 2, 2, 1, 128, SEQUENCE),
        plan=PlanConfig(
            steps=8, batch_tokens=4 * SEQUENCE, micro_rows=2, warmup_steps=2, decay_steps=2
        ),
        dtype="bfloat16",
        compile=False,
        threads=1,
        log_every=1,
        valid_every=4,
        valid_rows=4,
        save_every=4,
        keep_checkpoints=4,
        loader=LoaderConfig(sequence=SEQUENCE, min_example=48),
        watch=WatchConfig(peak=False, report_every=0, samples_every=0, tasks_every=0),
    )
