"""Training: it learns, repeats itself, and goes on as if it had never stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from m31r_core.errors import ConfigError
from m31r_core.model import load_checkpoint
from m31r_train.checkpoint import checkpoints, load_run
from m31r_train.cli import main
from m31r_train.config import PlanConfig, TrainConfig
from m31r_train.loss import cross_entropy
from m31r_train.optimiser import schedule
from m31r_train.pretrain import Trainer


def losses(output: Path) -> list[float]:
    rows = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


def test_it_learns_and_repeats_itself(train_config: TrainConfig, tmp_path: Path) -> None:
    plan = replace(train_config.plan, steps=12)
    runs = [replace(train_config, plan=plan, output=tmp_path / name) for name in ("a", "b")]
    for config in runs:
        config.output.mkdir()
        Trainer(config).train()
    first, second = (losses(config.output) for config in runs)
    assert first == second
    assert len(first) == 12
    assert first[-1] < first[0] - 1.0
    assert list((runs[0].output / "tensorboard").iterdir())


def test_stopped_and_resumed_equals_never_stopped(
    train_config: TrainConfig, tmp_path: Path
) -> None:
    whole = replace(train_config, output=tmp_path / "whole")
    whole.output.mkdir()
    Trainer(whole).train()

    halves = replace(train_config, output=tmp_path / "halves")
    halves.output.mkdir()
    first = Trainer(halves)
    batches = first.loader.batches(0, halves.plan.micro_rows)
    for _ in range(4):
        first.step(batches)
    first.save()
    batches.close()
    Trainer(halves).train(resume=True)

    states = [load_run(checkpoints(c.output)[-1]) for c in (whole, halves)]
    assert states[0][1] == states[1][1]
    assert states[0][0].keys() == states[1][0].keys()
    for name, value in states[0][0].items():
        assert torch.equal(value, states[1][0][name]), name


def test_another_seed_gives_other_losses(train_config: TrainConfig, tmp_path: Path) -> None:
    found = []
    for seed in (0, 1):
        config = replace(train_config, seed=seed, output=tmp_path / str(seed))
        config.output.mkdir()
        Trainer(config).train()
        found.append(losses(config.output))
    assert found[0] != found[1]


def test_a_checkpoint_is_a_model_that_others_can_load(train_config: TrainConfig) -> None:
    train_config.output.mkdir()
    trainer = Trainer(train_config)
    folder = trainer.save()
    model, config = load_checkpoint(folder)
    assert config == train_config.model
    assert load_file(folder / "model.safetensors")["model.norm.weight"].dtype == torch.bfloat16
    run = json.loads((folder / "m31r_run.json").read_text())
    assert run["tokens"] == 0
    assert len(run["dataset_id"]) == 16
    assert model(torch.zeros((1, 4), dtype=torch.int64)).shape == (1, 4, 320)


def test_a_run_can_start_from_the_weights_of_another(train_config: TrainConfig) -> None:
    train_config.output.mkdir()
    folder = Trainer(train_config).save()
    started = Trainer(replace(train_config, seed=9, start_from=folder))
    loaded, _ = load_checkpoint(folder)
    for name, value in loaded.state_dict().items():
        assert torch.equal(started.replica.weights()[name], value)


def test_chunked_loss_and_gradients_equal_the_plain_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(2500, 16, generator=generator, requires_grad=True)
    output = torch.randn(50, 16, generator=generator, requires_grad=True)
    targets = torch.randint(0, 50, (2500,), generator=generator)
    weights = torch.rand(2500, generator=generator)
    ours = cross_entropy(hidden, output, targets, weights)
    ours.backward()
    ours_grads = hidden.grad, output.grad
    hidden.grad = output.grad = None
    plain = (F.cross_entropy(hidden @ output.T, targets, reduction="none") * weights).sum()
    plain.backward()
    assert torch.allclose(ours, plain, rtol=1e-5)
    for mine, expected in zip(ours_grads, (hidden.grad, output.grad), strict=True):
        assert mine is not None
        assert expected is not None
        assert torch.allclose(mine, expected, rtol=1e-4, atol=1e-4)


def test_the_schedule_warms_up_stays_and_decays() -> None:
    plan = PlanConfig(steps=100, batch_tokens=1, micro_rows=1, warmup_steps=10, decay_steps=20)
    assert schedule(0, plan) == pytest.approx(0.1)
    assert schedule(9, plan) == schedule(80, plan) == 1.0
    assert schedule(90, plan) == pytest.approx(0.5)
    assert schedule(99, plan) == pytest.approx(0.05)
    assert schedule(50, replace(plan, decay_steps=0)) == 1.0


def test_a_vocabulary_that_does_not_fit_is_refused(train_config: TrainConfig) -> None:
    config = replace(train_config, model=replace(train_config.model, vocab_size=300))
    with pytest.raises(ConfigError, match=r"'model\.vocab_size' is 300"):
        Trainer(config)


def test_commands_say_what_is_wrong_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "c.toml"
    config.write_text("datset = 'x'\n")
    assert main(["run", str(config)]) == 2
    error = capsys.readouterr().err
    assert "unknown key 'datset'; did you mean 'dataset'?" in error
    assert error.count("\n") == 1
    assert main(["data", "verify", str(tmp_path)]) == 1
    assert "manifest.json" in capsys.readouterr().err


def test_the_committed_configurations_load(capsys: pytest.CaptureFixture[str]) -> None:
    for path in sorted(Path("configs/train").glob("*.toml")):
        if path.name in ("adapt.toml", "sweep.toml"):  # no runs: their own tests load them
            continue
        assert main(["info", str(path)]) == 0
        assert "parameters" in capsys.readouterr().out


def test_a_loss_that_is_not_finite_changes_nothing(train_config: TrainConfig) -> None:
    trainer = Trainer(train_config)
    micro = [trainer.loader.batch(0, 2)]
    assert trainer.replica.step(micro, 1.0).applied
    before = {name: value.clone() for name, value in trainer.replica.state().items()}
    broken = replace(micro[0], weights=micro[0].weights * np.float32("inf"))
    result = trainer.replica.step([broken], 1.0)
    assert not result.applied
    after = trainer.replica.state()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert trainer.replica.step(micro, 1.0).applied
