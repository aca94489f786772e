"""What rustc says, and the repair pairs that come of it, are the same with one worker and two."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.data.executors.sample import build, contents

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("cargo") or not shutil.which("bwrap"),
        reason="cargo or bubblewrap is not installed",
    ),
]

CONFIGURATION = """\
output = "dataset"
tokenizer_file = "{tokenizer}"
buckets = 2

[[sources]]
path = "{crates}"

[dedup]
enabled = false

[compile]
enabled = true

[repair]
enabled = true
mutants_per_crate = 30
"""
MANIFEST = """\
[package]
name = "{name}"
version = "1.0.0"
edition = "2021"
license = "MIT"
"""
LIBRARY = """\
//! Counts words, {number} at a time.
use std::collections::HashMap;

/// A word and how often it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Count{number} {{
    pub word: String,
    pub times: usize,
}}

impl Count{number} {{
    pub fn add(&mut self) -> usize {{
        self.times += {number};
        self.times
    }}
}}

/// Counts the words of a text.
pub fn count_words(text: &str) -> HashMap<String, usize> {{
    let mut counts = HashMap::new();
    for word in text.split_whitespace() {{
        let count = counts.entry(word.to_string()).or_insert(0);
        *count += {number};
    }}
    counts
}}
"""
BROKEN = '\npub fn broken() -> u32 { "one" }\n'


def test_verdicts_and_repair_pairs(tmp_path: Path) -> None:
    # Two ranks of the stage that checks crates.
    for number in range(1, 7):
        crate = tmp_path / "crates" / f"words-{number}"
        (crate / "src").mkdir(parents=True)
        (crate / "Cargo.toml").write_text(MANIFEST.format(name=crate.name))
        code = LIBRARY.format(number=number) + (BROKEN if number == 2 else "")
        (crate / "src" / "lib.rs").write_text(code)
    tokenizer = Path(__file__).parents[3] / "configs" / "data" / "tokenizer-8k.json"
    config = tmp_path / "data.toml"
    config.write_text(CONFIGURATION.format(tokenizer=tokenizer, crates=tmp_path / "crates"))
    for workers in ("1", "2"):
        printed = build(config, tmp_path / workers / "dataset", "--workers", workers)
        assert "crates: 2 ranks done" in printed
    found = contents(tmp_path / "1" / "dataset")
    assert any(file.startswith("repair-train-") for file in found)
    assert found == contents(tmp_path / "2" / "dataset")
