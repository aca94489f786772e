"""A tiny world of crates to build datasets from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from m31r_core.tokenizer import train_tokenizer
from m31r_data.config import DataConfig, SourceConfig, SplitConfig

BODY = "/// Doubles `x`.\npub fn double_{i}(x: u32) -> u32 {{\n    let y = x + x;\n    y\n}}\n"


def rust_file(i: int) -> str:
    return f"use std::fmt;\n\n{BODY.format(i=i)}\n{BODY.format(i=i + 1000)}"


@pytest.fixture
def crates(tmp_path: Path) -> Path:
    """Return a folder of 40 small crates, their licence inherited from a workspace."""
    folder = tmp_path / "crates"
    for i in range(40):
        source = folder / f"crate-{i}" / "src"
        source.mkdir(parents=True)
        manifest = f'[package]\nname = "crate-{i}"\nversion = "1.{i}.0"\nlicense.workspace = true\n'
        (source.parent / "Cargo.toml").write_text(manifest)
        (source / "lib.rs").write_text(rust_file(i))
    (folder / "Cargo.toml").write_text('[workspace.package]\nlicense = "MIT OR GPL-2.0"\n')
    return folder


@pytest.fixture
def data_config(crates: Path, tmp_path: Path) -> DataConfig:
    tokenizer_file = tmp_path / "tokenizer.json"
    train_tokenizer([rust_file(i) for i in range(5)], 400).save(tokenizer_file)
    return DataConfig(
        sources=(SourceConfig(crates),),
        output=tmp_path / "dataset",
        tokenizer_file=tokenizer_file,
        buckets=2,
        shard_tokens=1_000,
        splits=SplitConfig(valid=0.15, test=0.15),
    )


def pack_line(**values: object) -> str:
    row = {
        "package": "p",
        "version": "1.0.0",
        "path": "src/lib.rs",
        "license": "MIT",
        "kind": "src",
        "text": rust_file(0),
    }
    return json.dumps({**row, **values}) + "\n"
