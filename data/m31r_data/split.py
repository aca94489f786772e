"""Which split a package belongs to: a function of its name and nothing else."""

from __future__ import annotations

import hashlib
from typing import Literal

from m31r_data.config import SplitConfig

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")


def split_of(package: str, config: SplitConfig) -> Split:
    """Return the split of every file of `package`, in whatever version and source it comes."""
    name = package.lower().replace("_", "-")
    share = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
    if share < config.test:
        return "test"
    return "valid" if share < config.test + config.valid else "train"
