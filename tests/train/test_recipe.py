"""What the recipe of docs/training.md can be varied by, each against its definition."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from m31r_core.shards import TokenDataset
from m31r_core.tokenizer import Tokenizer
from m31r_train.checkpoint import checkpoints, load_run
from m31r_train.config import LoaderConfig, OptimiserConfig, PlanConfig, TrainConfig
from m31r_train.loader import RowLoader
from m31r_train.loss import cross_entropy
from m31r_train.optimiser import schedule
from m31r_train.pretrain import Trainer
from m31r_train.replica import Replica


@pytest.mark.parametrize("z_loss", [0.0, 1e-4, 0.1])
def test_z_loss_adds_its_gradient_and_nothing_to_the_value(z_loss: float) -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(1500, 16, generator=generator, requires_grad=True)
    output = torch.randn(50, 16, generator=generator, requires_grad=True)
    targets = torch.randint(0, 50, (1500,), generator=generator)
    weights = torch.rand(1500, generator=generator)
    ours = cross_entropy(hidden, output, targets, weights, z_loss=z_loss)
    found = torch.autograd.grad(ours, (hidden, output))

    logits = hidden @ output.T
    plain = (F.cross_entropy(logits, targets, reduction="none") * weights).sum()
    whole = plain + z_loss * (torch.logsumexp(logits, -1).square() * weights).sum()
    expected = torch.autograd.grad(whole, (hidden, output))
    assert torch.allclose(ours, plain, rtol=1e-5)
    for mine, theirs in zip(found, expected, strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-4, atol=1e-3)


def test_the_decay_falls_steeply_first_where_it_is_told_to() -> None:
    plan = PlanConfig(100, batch_tokens=1, micro_rows=1, warmup_steps=10, decay_steps=64)
    steep = replace(plan, decay="sqrt")
    assert [schedule(step, steep) for step in range(36)] == [schedule(s, plan) for s in range(36)]
    assert schedule(36 + 16, plan) == pytest.approx(0.75)
    assert schedule(36 + 16, steep) == pytest.approx(0.5)
    factors = [schedule(step, steep) for step in range(36, 100)]
    assert all(later < earlier for earlier, later in pairwise(factors))
    assert 0 < factors[-1] < 0.01


def test_outputs_start_at_zero_or_small(train_config: TrainConfig) -> None:
    for zero in (True, False):
        model = Replica(replace(train_config, zero_outputs=zero)).model
        for name, value in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                assert float(value.detach().std()) == pytest.approx(0 if zero else 0.01, rel=0.1)


def test_adamw_alone_learns_and_goes_on_where_it_stopped(
    train_config: TrainConfig, tmp_path: Path
) -> None:
    states = []
    for name, stops in (("whole", [8]), ("halves", [4, 8])):
        config = replace(
            train_config,
            output=tmp_path / name,
            optimiser=OptimiserConfig(matrices="adamw", z_loss=1e-4),
        )
        config.output.mkdir()
        for steps in stops:
            plan = replace(config.plan, steps=steps, decay_steps=0)
            Trainer(replace(config, plan=plan)).train(resume=steps > stops[0])
        states.append(load_run(checkpoints(config.output)[-1])[0])
    whole, halves = states
    assert not any(name.startswith("muon") for name in whole)
    assert whole.keys() == halves.keys()
    assert all(torch.equal(value, halves[name]) for name, value in whole.items())


def test_random_packing_shows_the_same_files_beside_others(dataset: Path) -> None:
    tokenizer = Tokenizer.load(dataset / "tokenizer.json")
    split = TokenDataset.open(dataset, "train")
    neighbours = {}
    for packing in ("package", "random"):
        config = LoaderConfig(sequence=1024, min_example=96, fim_share=0.0, packing=packing)
        loader = RowLoader(split, tokenizer, config, seed=0)
        pairs, files = set(), set()
        for number in range(loader.rows_per_pass):
            text = tokenizer.decode(loader.row(number))
            found = [int(n) for n in re.findall(r"get_first_(\d+)", text)]
            files |= set(found)
            pairs |= {abs(a - b) for a, b in pairwise(found)}
        neighbours[packing] = pairs
        assert len(files) > 30
    assert neighbours["package"] <= {0, 1}
    assert max(neighbours["random"]) > 5
