"""The configuration of `m31r-train adapt`, as in configs/train/adapt.toml."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from m31r_data.config import FilterConfig
from m31r_train.config import LoaderConfig


@dataclass(frozen=True)
class LoraConfig:
    """The adapter (Hu et al. 2021): rank, scale (`alpha` / `rank`), dropout, and which matrices."""

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    targets: tuple[str, ...] = (
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    )

    def __post_init__(self) -> None:
        """Raise ValueError, naming the key, for an adapter that adapts nothing."""
        if self.rank < 1:
            raise ValueError(f"'lora.rank' must be at least 1, not {self.rank}")
        if not self.targets:
            raise ValueError("'lora.targets' must name a matrix, such as q_proj")


@dataclass(frozen=True)
class HoldBackConfig:
    """Which files are not trained on. Shares are of the tokens, of whole files, seeded.

    `share` is measured on before and after; `stop_share` of the rest decides when to stop. With
    `share` 0 nothing is measured. A workspace of fewer than `min_files` files or `min_tokens`
    tokens is refused.
    """

    share: float = 0.2
    stop_share: float = 0.1
    min_files: int = 5
    min_tokens: int = 2_000
    tasks: int = 500

    def __post_init__(self) -> None:
        """Raise ValueError, naming the key, for shares that leave nothing to train on."""
        if not 0 <= self.share <= 0.5:
            raise ValueError(f"'hold_back.share' must be from 0 to 0.5, not {self.share}")
        if not 0 < self.stop_share <= 0.5:
            raise ValueError(
                f"'hold_back.stop_share' must be above 0 and at most 0.5, not {self.stop_share}"
            )
        if self.min_files < 3:
            raise ValueError("'hold_back.min_files' must be at least 3")


@dataclass(frozen=True)
class PaceConfig:
    """How fast and how long the adapter learns.

    A step shows `rows` rows. The rate rises over `warmup_steps` and falls linearly to zero over
    the last `decay_share` of the steps. The loss on the files for stopping is looked at `checks`
    times; after `patience` checks without a better one, training ends. The weights of the best
    check are kept. `max_passes` over the files are the most, however much time there is.
    """

    rows: int = 8
    max_passes: int = 5
    rate: float = 3e-3
    betas: tuple[float, ...] = (0.9, 0.99)
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    warmup_steps: int = 8
    decay_share: float = 0.6
    checks: int = 10
    patience: int = 3

    def __post_init__(self) -> None:
        """Raise ValueError, naming the key, for counts below 1."""
        for name in ("rows", "max_passes", "warmup_steps", "checks", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"'pace.{name}' must be at least 1")
        if not 0 <= self.decay_share <= 1:
            raise ValueError(f"'pace.decay_share' must be from 0 to 1, not {self.decay_share}")


@dataclass(frozen=True)
class AdaptConfig:
    """A whole adaptation.

    `minutes` bound the wall time of the command: the steps are planned from a measured rate.
    With `steps` they are given instead, and equal inputs give equal bytes. `threads` 0 leaves
    their number to PyTorch.
    """

    minutes: float = 15.0
    steps: int = 0
    seed: int = 0
    threads: int = 0
    dtype: Literal["bfloat16", "float32"] = "float32"
    lora: LoraConfig = field(default_factory=LoraConfig)
    hold_back: HoldBackConfig = field(default_factory=HoldBackConfig)
    pace: PaceConfig = field(default_factory=PaceConfig)
    loader: LoaderConfig = field(
        default_factory=lambda: LoaderConfig(sequence=512, min_example=160)
    )
    filters: FilterConfig = field(default_factory=FilterConfig)

    def __post_init__(self) -> None:
        """Raise ValueError, naming the key, for a time or number of steps that is none."""
        if self.minutes <= 0:
            raise ValueError(f"'minutes' must be above 0, not {self.minutes}")
        if self.steps < 0:
            raise ValueError(f"'steps' must not be negative, not {self.steps}")
        if self.loader.mixture:
            raise ValueError("'loader.mixture' cannot be used here: all rows are the workspace's")
