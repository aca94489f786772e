"""The configuration of a training run, as in configs/train/*.toml."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from m31r_core.model import ModelConfig

# Of so many rows, each set of a mixture has its share.
ROWS_MIXED = 1000
# Tokens that hold the header of a prompt and some text.
_LEAST_CONTEXT = 64


@dataclass(frozen=True)
class SetConfig:
    """A set of a dataset, and the share of rows that come from it, relative to the other sets.

    `code` is the files themselves; `fim`, `plan` and `repair` are made when the dataset is built,
    where its configuration says so. `dataset` is the run's unless it is given; both must have the
    same tokenizer.
    """

    set: str
    weight: float
    dataset: Path | None = None


@dataclass(frozen=True)
class LoaderConfig:
    """How rows of tokens are made from documents. Shares are 0 to 1.

    `fim_share` of the examples are fill-in-the-middle, `psm_share` of those in
    prefix-suffix-middle order, the others suffix first. The middle ends at a line's end
    (`line_share`), at the end of a syntax node (`node_share`), or anywhere. Rows are `sequence`
    tokens long; an example has at least `min_example` and at most `sequence` tokens. The end of a
    middle counts `end_weight` times in the loss. Files that share a row are neighbours in the
    dataset, most of them of one package (`packing` "package"), or drawn at random ("random").

    All of that is about code. `mixture` draws some of the rows from other sets, whose examples are
    ready-made and stand whole in their rows; of any 1,000 rows, each set has its share. Without
    it, all rows are code.
    """

    sequence: int = 1024
    fim_share: float = 0.65
    psm_share: float = 0.1
    line_share: float = 0.6
    node_share: float = 0.25
    min_example: int = 192
    end_weight: float = 3.0
    packing: Literal["package", "random"] = "package"
    mixture: tuple[SetConfig, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError, naming the key, for weights that give a set no rows."""
        total = sum(entry.weight for entry in self.mixture)
        for entry in self.mixture:
            if entry.weight <= 0 or entry.weight * ROWS_MIXED < total:
                raise ValueError(
                    f"'loader.mixture': the weight of '{entry.set}' must be at least a thousandth "
                    f"of all, not {entry.weight}"
                )


@dataclass(frozen=True)
class PlanConfig:
    """Length and rhythm of a run: warm-up, stable and decay phases, in optimiser steps.

    The learning rate rises over `warmup_steps`, stays, and falls to zero over the last
    `decay_steps` of `steps`: in a straight line, or as one less the square root of the part of
    them that is done ("sqrt", Hägele et al. 2024). `batch_tokens` are seen in a step, `micro_rows`
    rows at a time.
    """

    steps: int
    batch_tokens: int
    micro_rows: int
    warmup_steps: int = 100
    decay_steps: int = 0
    decay: Literal["linear", "sqrt"] = "linear"

    def __post_init__(self) -> None:
        """Raise ValueError, naming the key, when the phases do not fit."""
        if self.warmup_steps + self.decay_steps > self.steps:
            raise ValueError("'plan.steps' must hold 'warmup_steps' and 'decay_steps'")


@dataclass(frozen=True)
class OptimiserConfig:
    """Muon for the blocks' matrices, AdamW for embeddings and norms; or AdamW for all.

    `muon_iterations` are those of the Newton-Schulz method that makes an update orthogonal; their
    cost does not depend on the batch, so that a trial on few tokens may want fewer. `z_loss` times
    the square of the logarithm of the softmax's denominator is added to a token's loss, in its
    gradient alone: 1e-4 in PaLM (Chowdhery et al. 2022).
    """

    matrices: Literal["muon", "adamw"] = "muon"

    muon_rate: float = 0.02
    muon_momentum: float = 0.95
    muon_weight_decay: float = 0.0
    muon_iterations: int = 5
    adamw_rate: float = 0.004
    adamw_betas: tuple[float, ...] = (0.9, 0.95)
    adamw_weight_decay: float = 0.0
    clip_norm: float = 1.0
    z_loss: float = 0.0


@dataclass(frozen=True)
class WatchConfig:
    """What a run shows of itself while it runs. Of all periods, 0 is never.

    `report.html` is written anew every `report_every` lines of the log. Every `samples_every` steps
    the model completes `samples` places of the valid split, and every `tasks_every` steps the rest
    of a line at `tasks` places; both see `context` tokens and write at most `new_tokens`. With
    `peak`, the machine's best matrix product is measured first, and utilisation logged.
    """

    peak: bool = True
    report_every: int = 10
    samples_every: int = 500
    samples: int = 4
    tasks_every: int = 500
    tasks: int = 64
    context: int = 512
    new_tokens: int = 48

    def __post_init__(self) -> None:
        """Raise ValueError, naming the key, for numbers below zero or no room for a prompt."""
        for name, value in vars(self).items():
            if value < 0:
                raise ValueError(f"'watch.{name}' must not be below 0, but is {value}")
        if self.context < _LEAST_CONTEXT:
            raise ValueError(f"'watch.context' must be at least {_LEAST_CONTEXT}")
        if not self.new_tokens:
            raise ValueError("'watch.new_tokens' must be at least 1")


@dataclass(frozen=True)
class RecoveryConfig:
    """What a bad step is, and how many a run bears. A bad step changes no weight.

    A step is bad when its loss or gradient is not finite, or when its loss is a spike: above the
    mean of the last `spike_window` good steps by `spike_deviations` standard deviations, and by at
    least `spike_nats` nats a token; a window of 0 turns this off. After `bad_steps` in a row the
    run rewinds to a checkpoint, at most `rewinds` times in all.
    """

    spike_window: int = 100
    spike_deviations: float = 6.0
    spike_nats: float = 0.5
    bad_steps: int = 3
    rewinds: int = 3

    def __post_init__(self) -> None:
        """Raise ValueError, naming the key, for numbers that cannot be meant."""
        if self.spike_window < 0 or self.spike_window == 1:
            raise ValueError("'recovery.spike_window' must be 0 or at least 2")
        for name in ("spike_deviations", "spike_nats", "rewinds"):
            if getattr(self, name) < 0:
                raise ValueError(f"'recovery.{name}' must not be below 0")
        if self.bad_steps < 1:
            raise ValueError("'recovery.bad_steps' must be at least 1")


@dataclass(frozen=True)
class TrainConfig:
    """A run: what is trained, on which dataset, how long, and where it is written.

    With `zero_outputs`, the projections that write to the residual stream start at zero (a run
    that does not start from a checkpoint).
    """

    dataset: Path
    output: Path
    model: ModelConfig
    plan: PlanConfig
    seed: int = 0
    device: Literal["cpu", "cuda"] = "cpu"
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    compile: bool = True
    parallel: Literal["ddp", "fsdp"] = "ddp"
    activation_checkpointing: bool = False
    start_from: Path | None = None
    zero_outputs: bool = True
    threads: int = 0
    loader_workers: int = 0
    log_every: int = 10
    valid_every: int = 250
    valid_rows: int = 64
    save_every: int = 250
    keep_checkpoints: int = 2
    async_checkpoints: bool = True
    loader: LoaderConfig = field(default_factory=LoaderConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    recovery: RecoveryConfig = field(default_factory=RecoveryConfig)
    watch: WatchConfig = field(default_factory=WatchConfig)

    def __post_init__(self) -> None:
        """Raise ValueError, naming the key, for sizes that do not fit each other."""
        row_tokens = self.plan.micro_rows * self.loader.sequence
        if self.plan.batch_tokens % row_tokens:
            raise ValueError(
                f"'plan.batch_tokens' must be a multiple of micro_rows x sequence = {row_tokens}"
            )
        if self.loader.sequence > self.model.context_length:
            raise ValueError("'loader.sequence' must not exceed 'model.context_length'")
