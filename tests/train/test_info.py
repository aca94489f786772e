"""What `m31r-train info` says, against real models, trainers, bundles and measurements."""

from __future__ import annotations

import dataclasses
import json
import tomllib
import typing
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from m31r_core.bundle import Quant
from m31r_core.config import load_toml
from m31r_core.engine.graph import Graph
from m31r_core.engine.session import Session
from m31r_core.model import Decoder, save_checkpoint
from m31r_core.tokenizer import Tokenizer
from m31r_export.checkpoint import export_checkpoint
from m31r_train import cost
from m31r_train.cli import main
from m31r_train.config import TrainConfig
from m31r_train.pretrain import Trainer
from tests.train.small import ROOT

CONFIGS = ROOT / "configs/train"
TIERS = ("nano", "base", "tier-s", "tier-m", "tier-l")


def run_configurations() -> list[Path]:
    """Return the files under configs/train that describe a run."""
    found = sorted(CONFIGS.glob("*.toml"))
    return [path for path in found if {"model", "plan"} <= tomllib.loads(path.read_text()).keys()]


def missing_keys(kind: type, table: dict[str, object], text: str, prefix: str = "") -> list[str]:
    """Return the keys of the dataclass `kind` that `table` leaves to a default.

    TOML has no null: a key whose default is None is visible where a comment shows it.
    """
    hints = typing.get_type_hints(kind)
    found = []
    for field in dataclasses.fields(kind):
        value, hint = table.get(field.name), hints[field.name]
        if value is None:
            if field.default is not None or f"# {field.name} =" not in text:
                found.append(prefix + field.name)
        elif isinstance(hint, type) and dataclasses.is_dataclass(hint):
            assert isinstance(value, dict)
            found += missing_keys(hint, value, text, f"{prefix}{field.name}.")
    return found


@pytest.mark.parametrize("path", run_configurations(), ids=lambda path: path.stem)
def test_no_configuration_leaves_a_key_to_a_default(path: Path) -> None:
    text = path.read_text("utf-8")
    table = tomllib.loads(text)
    if "start_from" in table:  # then the comment is not needed
        text += "# start_from ="
    assert missing_keys(TrainConfig, table, text) == []


def test_a_key_left_to_a_default_is_found() -> None:
    text = (CONFIGS / "base.toml").read_text("utf-8")
    without = text.replace("clip_norm = 1.0\n", "").replace("# start_from", "# other")
    assert missing_keys(TrainConfig, tomllib.loads(without), without) == [
        "start_from",
        "optimiser.clip_norm",
    ]


@pytest.mark.parametrize("tier", TIERS)
def test_parameters_are_those_of_the_model(tier: str) -> None:
    config = load_toml(CONFIGS / f"{tier}.toml", TrainConfig).model
    with torch.device("meta"):
        weights = dict(Decoder(config).named_parameters())
    counts = cost.parameters(config)
    assert counts.all == sum(value.numel() for value in weights.values())
    assert counts.embedding == weights["model.embed_tokens.weight"].numel()
    assert counts.norms == sum(value.numel() for value in weights.values() if value.ndim == 1)
    assert counts.matrices + counts.by_adamw == counts.all
    if tier != "nano":
        millions = {"base": 69, "tier-s": 201, "tier-m": 501, "tier-l": 1175}[tier]
        assert round(counts.all / 1e6) == millions


@pytest.mark.parametrize("matrices", ["muon", "adamw"])
def test_the_state_of_nano_is_counted_to_the_byte(
    matrices: str, dataset: Path, tmp_path: Path
) -> None:
    config = load_toml(
        CONFIGS / "nano.toml",
        TrainConfig,
        [
            f"dataset={dataset}",
            f"output={tmp_path}",
            "model.vocab_size=320",
            f"optimiser.matrices={matrices}",
            "compile=false",
            "threads=1",
            "plan.batch_tokens=128",
            "plan.micro_rows=1",
            "loader.sequence=128",
            "loader.min_example=48",
        ],
    )
    trainer = Trainer(config)
    assert trainer.replica.step([trainer.loader.batch(0, 1)], 1.0).applied
    state = trainer.replica.state()
    assert cost.state_bytes(config) == sum(value.nbytes for value in state.values())
    memory = cost.training_memory(config)
    weights = list(trainer.replica.model.parameters())
    assert memory.weights == sum(value.nbytes for value in weights)
    assert memory.weights + memory.moments == cost.state_bytes(config)


def test_activations_are_estimated_within_a_third() -> None:
    changes = ["plan.micro_rows=2", "plan.batch_tokens=512", "loader.sequence=256", "compile=false"]
    config = load_toml(CONFIGS / "nano.toml", TrainConfig, changes)
    measured = saved_for_backward(config)
    whole = cost.training_memory(config).activations
    assert measured / 1.33 < whole < measured * 1.33

    less = cost.training_memory(replace(config, activation_checkpointing=True)).activations
    model = config.model
    inputs = 512 * model.layers * model.hidden_size * 2
    assert less == inputs + whole // model.layers


def saved_for_backward(config: TrainConfig) -> int:
    """Return the bytes that autograd keeps from a forward pass through the hidden layers."""
    decoder = Decoder(config.model).to(torch.bfloat16)
    ours = [*decoder.parameters(), *decoder.buffers()]
    known = {value.untyped_storage().data_ptr() for value in ours}
    kept: dict[int, int] = {}

    def keep(value: torch.Tensor) -> torch.Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return value

    shape = (config.plan.micro_rows, config.loader.sequence)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        hidden = decoder.hidden(torch.zeros(shape, dtype=torch.int64))
    assert hidden.requires_grad
    return sum(kept.values())


@pytest.mark.parametrize("quant", ["int8", "int4"])
def test_a_bundle_is_as_large_as_said(quant: Quant, tmp_path: Path) -> None:
    config = load_toml(CONFIGS / "nano.toml", TrainConfig).model
    decoder = Decoder(config)
    tokenizer = Tokenizer.load(ROOT / "configs/data/tokenizer-8k.json")
    save_checkpoint(tmp_path / "model", decoder.state_dict(), config, tokenizer)
    bundle = export_checkpoint(tmp_path / "model", tmp_path / "bundle", quant=quant)
    said = cost.inference_memory(config)
    size = bundle.model.stat().st_size
    assert getattr(said, quant) == pytest.approx(size, rel=0.02)
    session = Session(Graph(bundle, 1))
    assert said.cache == sum(buffer.nbytes for buffer in session.cache.buffers.values())


def test_sharding_divides_what_lasts() -> None:
    config = load_toml(CONFIGS / "tier-l.toml", TrainConfig)
    one, eight = cost.training_memory(config), cost.training_memory(config, 8)
    assert eight.weights == one.weights // 8
    assert eight.moments == one.moments // 8
    assert eight.casts < one.casts
    assert eight.activations == one.activations
    ddp = replace(config, parallel="ddp")
    assert cost.training_memory(ddp, 8) == cost.training_memory(ddp)


def test_work_and_time_follow_from_the_plan() -> None:
    config = load_toml(CONFIGS / "base.toml", TrainConfig)
    work = cost.work(config)
    assert work.tokens == 1640 * 524_288
    assert work.in_all == pytest.approx(4.4e17, rel=0.01)
    assert work.tokens_wanted == 20 * config.model.parameters
    assert work.muon_per_step * config.plan.steps < 0.01 * work.in_all
    # One H100, the decay inside, with a reserve of the 25 minutes.
    assert 20 < cost.seconds(config, 0.42 * 790e12) / 60 < 23
    assert cost.seconds(config, 1e15, 8) == pytest.approx(cost.seconds(config, 1e15) / 8)


def test_a_measured_rate_is_that_of_the_machine(train_config: TrainConfig) -> None:
    rate = cost.measure(train_config)
    assert rate.micro_batch > 0
    plan = train_config.plan
    per_step = 2 * rate.micro_batch + rate.update
    assert cost.measured_seconds(train_config, rate) == pytest.approx(plan.steps * per_step)


def test_the_command_prints_a_table_or_json(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["info", str(CONFIGS / "base.toml"), "--set", f"dataset={dataset}"]
    assert main([*base, "--flops", "790e12", "--mfu", "0.42"]) == 0
    text = capsys.readouterr().out
    assert "69,223,424" in text
    assert "minutes" in text
    assert main([*base, "--json", "--processes", "2", "--flops", "1e15"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["parameters"]["all"] == 69_223_424
    assert found["work"]["train_tokens"] > 0
    memory = found["training_memory"]
    assert memory["total"] == sum(value for name, value in memory.items() if name != "total")
    assert main([*base, "--processes", "0"]) == 2
    assert "--processes must be at least 1" in capsys.readouterr().err
