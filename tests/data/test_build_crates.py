"""Whole crates through the pipeline: what rustc says, and what is learnt from breaking them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from m31r_core.shards import TokenDataset, read_manifest
from m31r_core.tokenizer import END, Tokenizer, train_tokenizer
from m31r_data.build import build_dataset
from m31r_data.config import (
    CompileConfig,
    DataConfig,
    DeriveConfig,
    RepairConfig,
    SourceConfig,
    SplitConfig,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
    pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not installed"),
]

GOOD = """\
use std::collections::HashMap;

pub fn longest(names: &[String]) -> Option<String> {
    let mut best: Option<String> = None;
    for name in names {
        if best.as_ref().map_or(true, |old| old.len() < name.len()) {
            best = Some(name.clone());
        }
    }
    best
}

pub fn count(words: &[String]) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for word in words {
        let entry = counts.entry(word.clone()).or_insert(0);
        *entry += 1;
    }
    counts
}
"""
BAD = 'pub fn wrong() -> u32 {\n    let text = "not a number, whatever it says";\n    text\n}\n'


def make_crate(folder: Path, text: str, **files: str) -> None:
    (folder / "src").mkdir(parents=True)
    manifest = f'[package]\nname = "{folder.name}"\nversion = "1.0.0"\nedition = "2021"\n'
    (folder / "Cargo.toml").write_text(manifest + 'license = "MIT"\n')
    (folder / "src" / "lib.rs").write_text(text)
    for name, content in files.items():
        (folder / "src" / f"{name}.rs").write_text(content)


@pytest.fixture
def built(tmp_path: Path) -> DataConfig:
    crates = tmp_path / "crates"
    make_crate(crates / "good", GOOD, unused=GOOD.replace("longest", "shortest").upper() + GOOD)
    make_crate(crates / "bad", BAD)
    tokenizer_file = tmp_path / "tokenizer.json"
    train_tokenizer([GOOD, BAD], 400).save(tokenizer_file)
    config = DataConfig(
        sources=(SourceConfig(crates, "crates"),),
        output=tmp_path / "dataset",
        tokenizer_file=tokenizer_file,
        buckets=2,
        compile=CompileConfig(enabled=True),
        repair=RepairConfig(
            enabled=True, bytes_per_mutant=20, max_code_share=1.0, min_borrow_share=0.0
        ),
        derive=DeriveConfig(fim=20.0, plan=1.0),
        splits=SplitConfig(valid=0.0, test=0.0),
    )
    config = replace(config, filters=replace(config.filters, max_error_share=1.0))
    assert build_dataset(config, workers=2)
    return config


def test_files_carry_the_verdict_and_pairs_mend(built: DataConfig) -> None:
    code = TokenDataset.open(built.output, "train")
    labels = {code.record(i).path: code.record(i) for i in range(len(code))}
    assert labels["good/src/lib.rs"].compiles == "yes"
    assert labels["bad/src/lib.rs"].compiles == "no"
    assert labels["bad/src/lib.rs"].why.startswith("E0308")
    unused = labels["good/src/unused.rs"]
    assert (unused.compiles, unused.why) == ("unknown", "not part of the checked library")
    assert read_manifest(built.output)["compiles"] == {"no": 1, "unknown": 1, "yes": 1}

    derived = TokenDataset.open(built.output, "fim-train")
    paths = {derived.record(i).path for i in range(len(derived))}
    assert "good/src/lib.rs" in paths
    assert "bad/src/lib.rs" not in paths
    assert len(TokenDataset.open(built.output, "plan-train")) > 0

    tokenizer = Tokenizer.load(built.output / "tokenizer.json")
    repair = TokenDataset.open(built.output, "repair-train")
    assert len(repair) >= 5
    lines = set(GOOD.splitlines())
    for i in range(len(repair)):
        ids = repair.document(i).tolist()
        assert ids[-1] == END
        assert repair.record(i).package == "good"
        # What is to be written in the end are lines of the file as it compiles.
        assert tokenizer.decode(ids).splitlines()[-1] in lines
