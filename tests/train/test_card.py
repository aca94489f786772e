"""The card tells what the run and the dataset recorded; the picture is a picture."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from m31r_core.shards import read_manifest, write_manifest
from m31r_core.tokenizer import Tokenizer
from m31r_train.cli import main
from m31r_train.config import TrainConfig
from m31r_train.pretrain import Trainer


@pytest.fixture
def run(train_config: TrainConfig) -> Path:
    train_config.output.mkdir()
    Trainer(replace(train_config, plan=replace(train_config.plan, steps=4))).train()
    return train_config.output


@pytest.fixture
def described(dataset: Path, tmp_path: Path) -> Path:
    """Return a dataset folder whose manifest has the counts of a real build."""
    folder = tmp_path / "described"
    folder.mkdir()
    Tokenizer.load(dataset / "tokenizer.json").save(folder / "tokenizer.json")
    counts = {"train": 40, "valid": 8, "test": 0}
    details = {
        "sources": ["pack.jsonl.zst"],
        "documents": counts,
        "tokens": {name: 1000 * count for name, count in counts.items()},
        "licences": {"MIT": 30, "Apache-2.0": 10},
    }
    write_manifest(folder, {}, details)
    assert read_manifest(folder)["documents"] == counts
    return folder


def test_the_card_names_size_tokens_licences_and_results(
    run: Path, described: Path, tmp_path: Path
) -> None:
    metrics = tmp_path / "metrics.json"
    values = {"exact_match": 0.25, "ci95": {"exact_match": [0.2, 0.3]}, "n": 100, "seed": 0}
    metrics.write_text(json.dumps(values))
    out = tmp_path / "card.md"
    arguments = ["card", str(run / "step-000004"), "--dataset", str(described)]
    assert main([*arguments, "--metrics", str(metrics), "--out", str(out)]) == 0
    text = out.read_text()
    parameters = json.loads((run / "step-000004" / "m31r_run.json").read_text())["parameters"]
    for fact in (f"{parameters:,}", "| MIT | 30 |", "40,000 tokens", "| exact_match | 0.250 |"):
        assert fact in text


def test_a_run_that_goes_on_counts_the_tokens_of_those_before(
    run: Path, described: Path, train_config: TrainConfig, tmp_path: Path
) -> None:
    first = run / "step-000004"
    config = replace(train_config, output=tmp_path / "second", start_from=first)
    config.output.mkdir()
    Trainer(replace(config, plan=replace(config.plan, steps=4))).train()
    second = tmp_path / "second" / "step-000004"
    before, now = (json.loads((each / "m31r_run.json").read_text()) for each in (first, second))
    assert now["started_from"] == {"run_id": before["run_id"], "tokens": before["tokens"]}
    assert (
        main(["card", str(second), "--dataset", str(described), "--out", str(tmp_path / "c")]) == 0
    )
    text = (tmp_path / "c").read_text()
    assert f"| tokens seen in training | {before['tokens'] + now['tokens']:,} |" in text
    assert f"| went on from | {before['run_id']} |" in text


def test_the_loss_curve_is_drawn(run: Path, tmp_path: Path) -> None:
    assert main(["plot", str(run), "--out", str(tmp_path / "loss.png")]) == 0
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_without_a_log_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", str(tmp_path), "--out", str(tmp_path / "loss.png")]) == 1
    assert "log.jsonl: No such file" in capsys.readouterr().err
