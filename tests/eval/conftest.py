"""A small dataset of real shape: three packages, four files, a tokenizer trained on them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from m31r_core.shards import TOKENIZER, DocumentRecord, ShardWriter, write_manifest
from m31r_core.tokenizer import Tokenizer, train_tokenizer

STACK = """//! A stack of numbers.

/// Holds what was pushed.
pub struct Stack {
    items: Vec<u32>,
}

impl Stack {
    pub fn new() -> Self {
        Stack { items: Vec::new() }
    }

    pub fn push(&mut self, item: u32) {
        self.items.push(item); // at the end
    }

    pub fn pop(&mut self) -> Option<u32> {
        self.items.pop()
    }

    pub fn name(&self) -> &'static str {
        "a name with several words in it"
    }
}
"""
QUEUE = STACK.replace("Stack", "Queue").replace("stack", "queue").replace("items", "waiting")
UNITS = """pub fn metres(feet: f64) -> f64 {
    let factor = 0.3048;
    feet * factor
}

pub fn celsius(fahrenheit: f64) -> f64 {
    let shifted = fahrenheit - 32.0;
    shifted * 5.0 / 9.0
}
"""
COMMENTS = """// only comments here
// and nothing but comments
/* in both
   of their forms */
"""
FILES = {
    ("stack", "stack/src/lib.rs"): STACK,
    ("stack", "stack/src/queue.rs"): QUEUE,
    ("units", "units/src/lib.rs"): UNITS,
    ("notes", "notes/src/lib.rs"): COMMENTS,
}


@pytest.fixture(scope="session")
def texts() -> dict[str, str]:
    """The text of each file of the dataset, by path."""
    return {path: text for (_, path), text in FILES.items()}


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return train_tokenizer(FILES.values(), 400)


@pytest.fixture(scope="session")
def dataset_path(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Path:
    """A dataset whose train and test splits hold the same files."""
    directory = tmp_path_factory.mktemp("dataset")
    tokenizer.save(directory / TOKENIZER)
    splits = {}
    for split in ("train", "test"):
        writer = ShardWriter(directory, split, shard_tokens=300)
        for (package, path), text in FILES.items():
            sha256 = hashlib.sha256(text.encode()).hexdigest()
            record = DocumentRecord(package, "1.0.0", path, "MIT", "src", sha256)
            writer.add(tokenizer.encode(text), record)
        splits[split] = writer.close()
    write_manifest(directory, splits, {})
    return directory
