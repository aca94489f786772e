"""What tests of several components share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]

# An example that takes long on a busy machine is no failure.
settings.register_profile("m31r", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("m31r")

RUST = """\
//! Kühne Größen — 測試 🦀
use std::collections::HashMap;

#[derive(Debug, Clone, PartialEq)]
pub struct Point { x: f64, y: f64 }

impl Point {
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }

    pub fn distance(&self, other: &Point) -> f64 {
        let dx = self.x - other.x;
        let dy = self.y - other.y;
        (dx * dx + dy * dy).sqrt()
    }
}

pub fn count_words(text: &str) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for word in text.split_whitespace() {
        *counts.entry(word.to_string()).or_insert(0) += 1;
    }
    counts
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let origin = Point::new(0.0, 0.0);
    println!("{:?} über {}", origin, origin.distance(&Point::new(3.0, 4.0)));
    for (word, count) in count_words("a b a") {
        println!("{word}: {count}");
    }
    Ok(())
}
"""


@pytest.fixture(scope="session")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real bundle: the one that ships where there is one, else one made here in seconds."""
    for name in ("base", "nano"):
        if (ROOT / "models" / name / "m31r.json").is_file():
            return ROOT / "models" / name
    return _tiny_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a decoder with two layers that knows the files under examples/ by heart."""
    return _tiny_bundle(tmp_path_factory.mktemp("tiny"))


def _tiny_bundle(folder: Path) -> Path:
    import torch
    import torch.nn.functional as F

    from m31r_core.model import Decoder, ModelConfig, save_checkpoint
    from m31r_core.prompt import suffix_first
    from m31r_core.tokenizer import train_tokenizer
    from m31r_export.checkpoint import export_checkpoint

    texts = [file.read_text("utf-8") for file in sorted((ROOT / "examples").glob("src/*.rs"))]
    tokenizer = train_tokenizer(texts, 512)
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=64,
        layers=2,
        heads=2,
        kv_heads=1,
        intermediate_size=128,
        context_length=512,
    )
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    decoder = Decoder(config)
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=1e-2)
    ids = [token for text in texts for token in suffix_first(tokenizer, "src/lib.rs", text, "\n")]
    data = torch.tensor(ids)
    for _ in range(60):
        starts = torch.randint(len(ids) - 65, (8,))
        batch = torch.stack([data[start : start + 65] for start in starts.tolist()])
        logits = decoder(batch[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.set_num_threads(threads)
    save_checkpoint(folder / "checkpoint", decoder.state_dict(), config, tokenizer)
    return export_checkpoint(folder / "checkpoint", folder / "tiny", quant="fp32").path


@pytest.fixture(scope="session")
def rust() -> str:
    """A small Rust file with characters of one to four bytes."""
    return RUST


@pytest.fixture(scope="session")
def random_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of two layers, a context of 256 tokens and random weights."""
    import torch

    from m31r_core.model import Decoder, ModelConfig, save_checkpoint
    from m31r_core.tokenizer import train_tokenizer

    tokenizer = train_tokenizer([RUST], 400)
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=96,
        layers=2,
        heads=2,
        kv_heads=1,
        intermediate_size=160,
        context_length=256,
    )
    generator = torch.Generator().manual_seed(1)
    decoder = Decoder(config)
    # Larger than at the start of training, so that attention decides what comes next.
    for parameter in decoder.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.15, generator=generator)
        else:
            torch.nn.init.uniform_(parameter, 0.5, 1.5, generator=generator)
    directory = tmp_path_factory.mktemp("random")
    save_checkpoint(directory, decoder.state_dict(), config, tokenizer)
    return directory


@pytest.fixture(scope="session")
def random_bundle(random_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fp32 bundle of `random_checkpoint`."""
    from m31r_export.checkpoint import export_checkpoint

    out = tmp_path_factory.mktemp("random") / "random"
    return export_checkpoint(random_checkpoint, out, quant="fp32").path
