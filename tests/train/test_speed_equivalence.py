"""What makes a step fast changes no loss: against PyTorch's attention and transformers' model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoModelForCausalLM

from m31r_core.model import Decoder, ModelConfig, causal_attention, load_checkpoint, save_checkpoint
from m31r_core.tokenizer import SPECIALS, train_tokenizer
from m31r_train.loss import cross_entropy

# Rows of three blocks of queries, the last one short.
LENGTH = 300
CONFIG = ModelConfig(300, 64, 2, 2, 1, 96, LENGTH)


@pytest.mark.parametrize("length", [1, 128, LENGTH])
@pytest.mark.parametrize("heads", [2, 6])
def test_attention_and_its_gradients_are_those_of_pytorch(length: int, heads: int) -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(3, count, length, 64, requires_grad=True) for count in (heads, 2, 2))
    slope = torch.randn(3, heads, length, 64)
    ours = causal_attention(q, k, v)
    theirs = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    torch.testing.assert_close(ours, theirs)
    for of_ours, of_theirs in zip(
        torch.autograd.grad(ours, (q, k, v), slope),
        torch.autograd.grad(theirs, (q, k, v), slope),
        strict=True,
    ):
        torch.testing.assert_close(of_ours, of_theirs)


def test_attention_in_bfloat16_is_no_further_from_the_truth_than_pytorchs() -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(3, count, LENGTH, 64) for count in (4, 2, 2))
    truth = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    q, k, v = q.bfloat16(), k.bfloat16(), v.bfloat16()
    theirs = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    ours = causal_attention(q, k, v)
    assert ours.dtype == torch.bfloat16
    assert _distance(ours, truth) < 1.5 * _distance(theirs, truth)


def test_loss_and_gradients_are_those_of_transformers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    decoder = Decoder(CONFIG)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    tokenizer = train_tokenizer(["fn main() {}"], 300)
    save_checkpoint(tmp_path, decoder.state_dict(), CONFIG, tokenizer)
    ours = load_checkpoint(tmp_path)[0].train()
    theirs = AutoModelForCausalLM.from_pretrained(
        tmp_path, dtype=torch.float32, attn_implementation="eager"
    ).train()
    # No padding: transformers gives its embedding no gradient.
    rows = len(SPECIALS) + torch.randint(280, (2, LENGTH + 1))
    targets = rows[:, 1:].flatten()
    hidden = ours.hidden(rows[:, :-1]).flatten(0, 1)
    output = ours.model.embed_tokens.weight
    loss = cross_entropy(hidden, output, targets, torch.ones(len(targets))) / len(targets)
    logits = theirs(rows[:, :-1]).logits
    expected = F.cross_entropy(logits.flatten(0, 1), targets)
    loss.backward()
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    gradients = {name: value.grad for name, value in theirs.named_parameters()}
    for name, value in ours.named_parameters():
        assert value.grad is not None
        assert _distance(value.grad, gradients[name]) < 1e-4 * gradients[name].norm(), name


def _distance(value: Tensor, truth: Tensor) -> float:
    return float((value.float() - truth).norm())
