"""Checkpoints: a Hugging Face folder, and beside it what a run needs to go on exactly.

A folder gets its name only when every file in it is on the disk, so a run may be killed at any
moment. `checksums.json` tells what each file should be: disks and copies fail too.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from m31r_core.errors import M31RError
from m31r_core.model import ModelConfig, save_checkpoint
from m31r_core.tokenizer import Tokenizer
from m31r_train.recovery import Health

_STATE = "trainer.safetensors"
_POSITION = "trainer.json"
RUN = "m31r_run.json"
_CHECKSUMS = "checksums.json"
_PARTIAL = ".partial"


@dataclass(frozen=True)
class Position:
    """Where a run stands: `step` steps done, bad ones too, on `tokens` tokens that changed weights.

    `rows` rows of the split were seen, in steps and in what rewinds undid: the next to come.
    """

    step: int
    rows: int
    tokens: int
    health: Health = field(default_factory=Health)


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
    """Write a checkpoint to `directory`, whole or not at all, in the place of one that is there.

    `weights` (a state dict) are stored in bfloat16 for other tools, `state` (see
    Replica.state) in full. `run` describes the run, for the bundle's manifest. Raises M31RError
    naming the folder when it cannot be written; then nothing is left of it.
    """
    partial = directory.with_name(f"{directory.name}{_PARTIAL}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        rounded = {name: value.detach().to(torch.bfloat16) for name, value in weights.items()}
        save_checkpoint(partial, rounded, config, tokenizer)
        save_file({name: value.contiguous() for name, value in state.items()}, partial / _STATE)
        (partial / _POSITION).write_text(json.dumps(asdict(position)) + "\n")
        (partial / RUN).write_text(json.dumps(run, indent=2) + "\n")
        for name in ("model.safetensors", _STATE):  # the library makes them private
            shutil.copymode(partial / RUN, partial / name)
        checksums = {path.name: _flushed_sha256(path) for path in sorted(partial.iterdir())}
        (partial / _CHECKSUMS).write_text(json.dumps(checksums, indent=2) + "\n")
        _flushed_sha256(partial / _CHECKSUMS)
        _flush_folder(partial)
        if directory.exists():
            remove(directory)
        partial.rename(directory)
        _flush_folder(directory.parent)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise M31RError(f"{directory}: cannot write the checkpoint ({_reason(error)})") from error


def load_run(directory: Path) -> tuple[dict[str, Tensor], Position]:
    """Read what `save_run` wrote. Raises M31RError naming the file that is not as it was."""
    _verify(directory)
    try:
        position = _position(json.loads((directory / _POSITION).read_text()))
        return load_file(directory / _STATE), position
    except (OSError, ValueError, TypeError, AttributeError, SafetensorError) as error:
        raise M31RError(f"{directory}: not a whole checkpoint ({_reason(error)})") from error


def load_newest(
    output: Path, report: Callable[[str], None]
) -> tuple[Path, dict[str, Tensor], Position]:
    """Read the newest whole checkpoint of a run's folder: its folder, state and position.

    `report` is told of every damaged one that was newer. Raises M31RError when none is whole.
    """
    for folder in reversed(checkpoints(output)):
        try:
            return folder, *load_run(folder)
        except M31RError as error:
            report(f"skipped: {error}")
    raise M31RError(f"{output}: no whole checkpoint; choose another output to start anew")


def checkpoints(output: Path) -> list[Path]:
    """Return the checkpoints of a run's folder, oldest first."""
    found = [path for path in output.glob("step-*") if re.fullmatch(r"step-\d+", path.name)]
    return sorted(found, key=_step)


def run_description(directory: Path) -> dict[str, Any]:
    """Return what the checkpoint folder tells about its run; nothing where it tells nothing.

    Raises M31RError when the file is there and cannot be read.
    """
    path = directory / RUN
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise M31RError(f"{path}: cannot read it ({error})") from error
    return content


def tokens_seen(run: Mapping[str, Any]) -> int:
    """Return the tokens of a `run_description` and of the runs that it goes on from."""
    earlier = run.get("started_from", {}).get("tokens", 0)
    return int(run.get("tokens", 0)) + int(earlier)


def prune(newest: Path, keep: int) -> None:
    """Remove what is older than the `keep` checkpoints of the run up to `newest`."""
    up_to = [path for path in checkpoints(newest.parent) if _step(path) <= _step(newest)]
    for path in up_to[:-keep]:
        remove(path)


def remove(directory: Path) -> None:
    """Remove a checkpoint; at no moment does a part of it have its name."""
    leaving = directory.with_name(f"{directory.name}.old{_PARTIAL}")
    shutil.rmtree(leaving, ignore_errors=True)
    directory.rename(leaving)
    shutil.rmtree(leaving)


def remove_partial(output: Path) -> None:
    """Remove what a killed run had not finished writing, or removing."""
    for path in output.glob(f"step-*{_PARTIAL}"):
        shutil.rmtree(path)


def _verify(directory: Path) -> None:
    """Compare every file with its checksum. Checkpoints of before there were any pass."""
    path = directory / _CHECKSUMS
    if not path.exists():
        return
    try:
        checksums = json.loads(path.read_text())
        for name, expected in checksums.items():
            if _sha256(directory / name) != expected:
                raise M31RError(f"{directory}: not a whole checkpoint ({name}: sha256 differs)")
    except (OSError, ValueError, AttributeError) as error:
        raise M31RError(f"{directory}: not a whole checkpoint ({_reason(error)})") from error


def _position(values: dict[str, Any]) -> Position:
    """Read a position; those of older runs know nothing of their health."""
    health = values.pop("health", {})
    losses = tuple(health.pop("losses", ()))
    return Position(**values, health=Health(losses, **health))


def _step(directory: Path) -> int:
    return int(directory.name.removeprefix("step-"))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flushed_sha256(path: Path) -> str:
    """Wait until a file is on the disk, and return its hash."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush_folder(directory: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{Path(error.filename).name}: {error.strerror}"
    return str(error)
