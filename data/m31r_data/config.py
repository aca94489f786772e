"""The configuration of a dataset, as in configs/data/*.toml."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class FilterConfig:
    """Limits of the filters. Sizes are bytes, shares are 0 to 1."""

    min_bytes: int = 64
    max_bytes: int = 400_000
    max_mean_line: int = 120
    max_line: int = 4_000
    max_table_share: float = 0.5
    max_error_share: float = 0.02
    skip_packages: tuple[str, ...] = ()
    skip_kinds: tuple[str, ...] = ("fixture",)


@dataclass(frozen=True)
class SplitConfig:
    """Shares of the packages, not of the files, that are kept from training."""

    valid: float = 0.02
    test: float = 0.03

    def __post_init__(self) -> None:
        """Raise ValueError when nothing would be left to train on."""
        if not 0 <= self.valid + self.test < 1:
            raise ValueError("'splits.valid' and 'splits.test' must leave something to train on")


@dataclass(frozen=True)
class TokenizerConfig:
    """How the vocabulary is trained: on `sample_share` of the train split's files."""

    vocab_size: int = 8192
    sample_share: float = 0.2


@dataclass(frozen=True)
class DataConfig:
    """A dataset: `sources` are frozen packs (.jsonl, .jsonl.zst) and folders of crates."""

    sources: tuple[Path, ...]
    output: Path
    tokenizer_file: Path
    shard_tokens: int = 16_000_000
    filters: FilterConfig = field(default_factory=FilterConfig)
    splits: SplitConfig = field(default_factory=SplitConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
