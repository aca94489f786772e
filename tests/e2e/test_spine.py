"""The whole way, command by command: crates, tokenizer, shards, model, bundle, completion."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TRAIN = """\
dataset = "{root}/dataset"
output = "{root}/run"
dtype = "float32"
compile = false
threads = 1
save_every = 3
valid_every = 3
valid_rows = 2

[model]
vocab_size = 320
hidden_size = 64
layers = 2
heads = 2
kv_heads = 1
intermediate_size = 128
context_length = 256

[plan]
steps = 3
batch_tokens = 256
micro_rows = 2
warmup_steps = 1

[loader]
sequence = 128
min_example = 48
"""

DATA = """\
output = "{root}/dataset"
tokenizer_file = "{root}/tokenizer.json"

[[sources]]
path = "{root}/crates"

[splits]
valid = 0.2
test = 0.2

[tokenizer]
vocab_size = 320
sample_share = 1.0
"""

FILE = """\
//! Crate number {i}.

pub struct Counter{i} {{
    pub total: u64,
}}

impl Counter{i} {{
    pub fn add(&mut self, amount: u64) -> u64 {{
        self.total += amount;
        self.total
    }}

    pub fn reset(&mut self) {{
        self.total = 0;
    }}
}}
"""


def command(name: str, *arguments: object) -> str:
    """Run one of our commands as a user would and return what it prints."""
    program = Path(sys.executable).with_name(name)
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def crates(tmp_path: Path) -> Path:
    for i in range(30):
        source = tmp_path / "crates" / f"counter-{i}" / "src"
        source.mkdir(parents=True)
        manifest = f'[package]\nname = "counter-{i}"\nversion = "0.1.0"\nlicense = "MIT"\n'
        (source.parent / "Cargo.toml").write_text(manifest)
        (source / "lib.rs").write_text(FILE.format(i=i))
    (tmp_path / "data.toml").write_text(DATA.format(root=tmp_path))
    (tmp_path / "train.toml").write_text(TRAIN.format(root=tmp_path))
    return tmp_path


@pytest.mark.e2e
def test_from_crates_to_ghost_text(crates: Path) -> None:
    command("m31r-train", "tokenizer", crates / "data.toml", "--workers", 1)
    command("m31r-train", "data", "build", crates / "data.toml", "--workers", 2)
    assert "files whole" in command("m31r-train", "data", "verify", crates / "dataset")

    command("m31r-train", "run", crates / "train.toml")
    command("m31r-train", "run", crates / "train.toml", "--resume", "--set", "plan.steps=6")
    checkpoint = crates / "run" / "step-000006"

    bundle = crates / "bundle"
    command("m31r-train", "export", checkpoint, "--out", bundle, "--quant", "fp32")
    parity = command(
        "m31r-train", "parity", checkpoint, bundle, "--text", crates / "crates",
        "--prompts", 5, "--tokens", 8, "--min-equal", 1.0,
    )  # fmt: skip
    assert "100.00%" in parity

    tasks = crates / "tasks.jsonl"
    command("m31r-eval", "build-tasks", crates / "dataset", "--out", tasks, "--n", 4)
    command("m31r-eval", "complete", tasks, "--model", bundle, "--out", crates / "results")
    metrics = json.loads((crates / "results" / "metrics.json").read_text())
    assert metrics["n"] == 4

    source = crates / "crates" / "counter-0" / "src" / "lib.rs"
    output = command("m31r-lsp", "complete", f"{source}:9:20", "--json", "--model", bundle)
    assert {"text", "confidence"} <= json.loads(output).keys()
