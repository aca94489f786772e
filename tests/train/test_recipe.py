"""What the recipe of docs/training.md can be varied by, each against its definition."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from m31r_train.loss import cross_entropy


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
