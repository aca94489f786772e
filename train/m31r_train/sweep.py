"""`m31r-train sweep`: small runs, one after the other, that say how a large one should be set up.

Each is an ordinary run in a folder of its own: a killed sweep goes on where it was, and a finished
run is never done again. The folder's name ends in a hash of all that the result depends on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from m31r_core.config import load_toml
from m31r_core.errors import ConfigError, M31RError
from m31r_core.shards import MANIFEST
from m31r_train import checkpoint
from m31r_train.config import TrainConfig

BASE = "base"


@dataclass(frozen=True)
class Change:
    """A name, and the keys that it changes, written as for `--set`."""

    name: str
    set: tuple[str, ...] = ()


@dataclass(frozen=True)
class Axis:
    """A key, and the values that it takes, all others as they are."""

    key: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class SweepConfig:
    """What is run, as in configs/train/sweep.toml.

    Every run is `base` with `set`, then with a proxy's changes, and sees `tokens` tokens, of which
    the shares `warmup_share` and `decay_share` warm up and decay the learning rate. For each proxy
    and each of `batch_tokens` (the base's where there is none) each axis of `rates` takes its
    values, and a parabola finds the best. Beside that each proxy is trained with each of
    `variants`. All with each of `seeds`: more than one say how large the noise is.

    `target` is the configuration that the best rates are extrapolated to.
    """

    base: Path
    output: Path
    proxies: tuple[Change, ...]
    target: Path | None = None
    tokens: int = 1_000_000
    warmup_share: float = 0.1
    decay_share: float = 0.3
    seeds: tuple[int, ...] = (0,)
    batch_tokens: tuple[int, ...] = ()
    set: tuple[str, ...] = ()
    rates: tuple[Axis, ...] = ()
    variants: tuple[Change, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError, naming the key, for lists that leave nothing to run."""
        for key in ("proxies", "seeds"):
            if not getattr(self, key):
                raise ValueError(f"'{key}' must not be empty")
        for key in ("proxies", "variants"):
            names = [change.name for change in getattr(self, key)]
            if len({BASE, *names}) <= len(names):
                raise ValueError(f"'{key}': every name once, and none '{BASE}'")
        if any(value <= 0 for axis in self.rates for value in axis.values):
            raise ValueError("'rates': values must be positive")


@dataclass(frozen=True)
class Cell:
    """One run of a sweep, and its place in the table.

    `key` is the axis on which it lies at `value`, or "" where it is a variant. Several cells can
    be one run, in one folder: where an axis takes the value that the base has.
    """

    proxy: str
    batch_tokens: int
    seed: int
    key: str
    value: float
    variant: str
    overrides: tuple[str, ...]
    config: TrainConfig

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.config.output


@dataclass(frozen=True)
class Outcome:
    """How a run went: loss on valid, nats a token (infinite where it diverged), bits per byte.

    `exact_match` and `ended` are shares of the line tasks that a run tries at its end (`watch`).
    """

    loss: float
    bits_per_byte: float
    exact_match: float | None = None
    ended: float | None = None


def run_sweep(path: Path, overrides: Sequence[str]) -> int:
    """Run what the sweep at `path` still lacks, then report; the exit code is 0.

    Raises ConfigError, naming the key, before anything runs when one of the runs would not start.
    """
    from m31r_train.sweep_report import write_report

    config = load_toml(path, SweepConfig, overrides)
    cells = list(plan_cells(config))
    target = None if config.target is None else load_toml(config.target, TrainConfig)
    folders = list(dict.fromkeys(cell.folder for cell in cells))
    first = {cell.folder: cell for cell in reversed(cells)}
    outcomes: dict[Path, Outcome] = {}
    # Where there is no terminal, wide enough for the tables.
    console = Console(width=None if sys.stdout.isatty() else 160)
    for number, folder in enumerate(folders, 1):
        outcomes[folder] = outcome_of(first[folder]) or _run(
            config, first[folder], console, f"run {number} of {len(folders)}: {folder.name}"
        )
        write_report(config, cells, outcomes, target)
    for line in write_report(config, cells, outcomes, target):
        console.print(line)
    return 0


def plan_cells(config: SweepConfig) -> Iterator[Cell]:
    """Yield every cell of the sweep. Raises ConfigError as `run_sweep`."""
    for proxy in config.proxies:
        common = (*config.set, *proxy.set)
        batch = load_toml(config.base, TrainConfig, common).plan.batch_tokens
        for seed in config.seeds:
            for variant in (Change(BASE), *config.variants):
                yield _cell(config, proxy, batch, seed, variant.set, variant=variant.name)
            for size in config.batch_tokens or (batch,):
                for axis in config.rates:
                    for value in axis.values:
                        change = (f"{axis.key}={_plain(value)}",)
                        yield _cell(config, proxy, size, seed, change, key=axis.key, value=value)


def outcome_of(cell: Cell) -> Outcome | None:
    """Return how the run of `cell` went, or None when it is not finished."""
    log = cell.folder / "log.jsonl"
    if not log.is_file():
        return None
    found: dict[str, float] = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["step"] == cell.config.plan.steps:
            found |= row
    if "valid_loss" not in found:
        return None
    tasks = found.get("tasks_exact_match"), found.get("tasks_ended")
    return Outcome(found["valid_loss"], found["valid_bits_per_byte"], *tasks)


def _cell(
    config: SweepConfig,
    proxy: Change,
    batch: int,
    seed: int,
    change: Sequence[str],
    *,
    key: str = "",
    value: float = math.nan,
    variant: str = BASE,
) -> Cell:
    overrides = (*config.set, *proxy.set, f"plan.batch_tokens={batch}", f"seed={seed}", *change)
    found = load_toml(config.base, TrainConfig, overrides)
    steps = max(config.tokens // found.plan.batch_tokens, 1)
    warmup, decay = (int(share * steps) for share in (config.warmup_share, config.decay_share))
    overrides += (
        f"plan.steps={steps}",
        f"plan.warmup_steps={warmup}",
        f"plan.decay_steps={decay}",
        f"valid_every={steps}",
        f"save_every={max(steps // 4, 1)}",
        "keep_checkpoints=1",
        f"watch.tasks_every={steps}",
    )
    found = load_toml(config.base, TrainConfig, overrides)
    output = config.output / f"{proxy.name}-b{batch}-s{seed}-{_digest(found)}"
    overrides += (f"output={json.dumps(str(output))}",)
    found = dataclasses.replace(found, output=output)
    return Cell(proxy.name, batch, seed, key, value, variant, overrides, found)


def _run(config: SweepConfig, cell: Cell, console: Console, title: str) -> Outcome:
    """Train a cell from where it stands. A run that gives up (it diverged) has infinite loss."""
    import torch

    from m31r_train.pretrain import run_training

    console.print(title, highlight=False)
    # Every size is compiled anew; without this PyTorch gives up after some.
    torch.compiler.reset()
    try:
        resume = bool(checkpoint.checkpoints(cell.folder))
        run_training(config.base, cell.overrides, resume=resume)
    except ConfigError:
        raise
    except M31RError as error:
        console.print(f"{cell.folder.name}: {error}", highlight=False)
        return Outcome(math.inf, math.inf)
    found = outcome_of(cell)
    if found is None:
        raise M31RError(f"{cell.folder}: stopped before its end; run the sweep again to go on")
    return found


def _plain(value: float) -> str:
    """Write a number as TOML reads it, a whole one without a point: keys that are counts."""
    return str(int(value)) if value.is_integer() else repr(value)


def _digest(config: TrainConfig) -> str:
    """Hash what a result depends on: the dataset, and all keys that are not at their default."""
    manifest = config.dataset / MANIFEST
    try:
        data = hashlib.sha256(manifest.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"{manifest}: {error.strerror}; build the dataset first") from error
    essence = [_essence(dataclasses.replace(config, output=Path())), data]
    text = json.dumps(essence, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _essence(config: Any) -> dict[str, object]:
    """Return the keys of a configuration that are not at their default.

    Keys that are added to configurations later leave it as it is.
    """
    values: dict[str, object] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        default = (
            field.default_factory()
            if field.default_factory is not dataclasses.MISSING
            else field.default
        )
        if value != default:
            values[field.name] = _essence(value) if dataclasses.is_dataclass(value) else value
    return values
