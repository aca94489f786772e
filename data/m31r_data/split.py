"""Which split and bucket a package belongs to: functions of its name and nothing else."""

from __future__ import annotations

import hashlib
from typing import Literal

from m31r_data.config import SplitConfig

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")


def split_of(package: str, config: SplitConfig) -> Split:
    """Return the split of every file of `package`, in whatever version and source it comes."""
    share = int.from_bytes(_hash(package)[:8], "big") / 2**64
    if share < config.test:
        return "test"
    return "valid" if share < config.test + config.valid else "train"


def bucket_of(package: str, buckets: int) -> int:
    """Return the bucket, 0 to `buckets - 1`, of every file of `package`."""
    return int.from_bytes(_hash(package)[8:16], "big") % buckets


def order_of(package: str, seed: int) -> str:
    """Return a key that sorts packages in an order that `seed` chooses."""
    return hashlib.sha256(f"{seed}/{_name(package)}".encode()).hexdigest()


def _hash(package: str) -> bytes:
    return hashlib.sha256(_name(package).encode()).digest()


def _name(package: str) -> str:
    return package.lower().replace("_", "-")
