"""The decoder is the one that other tools know, and its checkpoints are theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from m31r_core.errors import M31RError
from m31r_core.model import Decoder, ModelConfig, load_checkpoint, save_checkpoint
from m31r_core.tokenizer import train_tokenizer

CONFIG = ModelConfig(
    vocab_size=300,
    hidden_size=128,
    layers=3,
    heads=4,
    kv_heads=2,
    intermediate_size=256,
    context_length=64,
)


def random_decoder() -> Decoder:
    torch.manual_seed(0)
    decoder = Decoder(CONFIG)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return decoder.eval()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    tokenizer = train_tokenizer(["fn main() {}"], 300)
    save_checkpoint(tmp_path / "c", random_decoder().state_dict(), CONFIG, tokenizer)
    return tmp_path / "c"


def test_logits_equal_those_of_transformers(checkpoint: Path) -> None:
    theirs = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    ids = torch.randint(0, CONFIG.vocab_size, (2, 48), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        difference = (theirs(ids).logits - random_decoder()(ids)).abs().max()
    assert difference < 1e-4


def test_a_checkpoint_comes_back_as_it_was(checkpoint: Path) -> None:
    loaded, config = load_checkpoint(checkpoint)
    assert config == CONFIG
    for name, value in random_decoder().state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


def test_the_future_does_not_change_the_past() -> None:
    decoder = random_decoder()
    ids = torch.randint(0, CONFIG.vocab_size, (1, 32), generator=torch.Generator().manual_seed(2))
    changed = ids.clone()
    changed[0, 20:] = 7
    with torch.no_grad():
        assert torch.allclose(decoder(ids)[0, :20], decoder(changed)[0, :20], atol=1e-5)


def test_parameters_are_counted_right() -> None:
    assert CONFIG.parameters == sum(value.numel() for value in Decoder(CONFIG).parameters())


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_broken_file_is_named(name: str, checkpoint: Path) -> None:
    (checkpoint / name).write_bytes(b"nonsense")
    with pytest.raises(M31RError, match=name):
        load_checkpoint(checkpoint)


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="kv_heads"):
        ModelConfig(300, 128, 2, 3, 2, 256, 64)
    with pytest.raises(ValueError, match="layers"):
        ModelConfig(300, 128, 0, 4, 2, 256, 64)
