"""Checkpoints: a Hugging Face folder, and beside it what a run needs to go on exactly."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from m31r_core.errors import M31RError
from m31r_core.model import ModelConfig, save_checkpoint
from m31r_core.tokenizer import Tokenizer

_STATE = "trainer.safetensors"
_POSITION = "trainer.json"
_RUN = "m31r_run.json"


@dataclass(frozen=True)
class Position:
    """Where a run stands: `step` optimiser steps done, `rows` rows of the split seen."""

    step: int
    rows: int
    tokens: int


def save_run(
    directory: Path,
    *,
    weights: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    config: ModelConfig,
    tokenizer: Tokenizer,
    position: Position,
    run: Mapping[str, object],
) -> None:
    """Write a checkpoint to `directory`, whole or not at all.

    `weights` (a state dict) are stored in bfloat16 for other tools, `state` (see
    MasterOptimiser) in full. `run` describes the run, for the bundle's manifest.
    """
    partial = directory.with_name(f"{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    rounded = {name: value.detach().to(torch.bfloat16) for name, value in weights.items()}
    save_checkpoint(partial, rounded, config, tokenizer)
    save_file({name: value.contiguous() for name, value in state.items()}, partial / _STATE)
    (partial / _POSITION).write_text(json.dumps(vars(position)) + "\n")
    (partial / _RUN).write_text(json.dumps(run, indent=2) + "\n")
    partial.replace(directory)


def load_run(directory: Path) -> tuple[dict[str, Tensor], Position]:
    """Read what `save_run` wrote. Raises M31RError naming the file."""
    try:
        position = Position(**json.loads((directory / _POSITION).read_text()))
        return load_file(directory / _STATE), position
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise M31RError(f"{directory}: not a whole checkpoint ({error})") from error


def checkpoints(output: Path) -> list[Path]:
    """Return the checkpoints of a run's folder, oldest first."""
    found = [path for path in output.glob("step-*") if path.suffix != ".partial"]
    return sorted(found, key=lambda path: int(path.name.removeprefix("step-")))


def prune(output: Path, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints."""
    for path in checkpoints(output)[:-keep]:
        shutil.rmtree(path)
