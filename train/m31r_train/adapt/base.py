"""What is adapted: a checkpoint, and the bundle that it is as the editor has it now."""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal

from m31r_core.bundle import MANIFEST, TOKENIZER, Bundle, Quant, load_bundle, shipped_bundle
from m31r_core.errors import ConfigError, M31RError
from m31r_train.checkpoint import run_description

ADAPTED = "adapted-"


@dataclass(frozen=True)
class Source:
    """What a user names: a folder that is a checkpoint or a bundle, as `kind` says."""

    path: Path
    kind: Literal["checkpoint", "bundle"]

    @property
    def tokenizer_file(self) -> Path:
        """Its vocabulary; both kinds have it under the same name."""
        return self.path / TOKENIZER


@dataclass(frozen=True)
class Base:
    """A checkpoint folder, and a bundle of it."""

    checkpoint: Path
    bundle: Bundle


def find_source(model: Path | None) -> Source:
    """Return what `model` names; by default, the bundle that ships.

    Raises ConfigError for what is neither, or adapted already: what would be measured on may have
    been trained on.
    """
    path = model or shipped_bundle()
    if (path / "config.json").is_file():
        run_id = str(run_description(path).get("run_id", ""))
        source = Source(path, "checkpoint")
    elif (path / MANIFEST).is_file():
        run_id = load_bundle(path).manifest.run_id
        source = Source(path, "bundle")
    else:
        raise ConfigError(f"{path}: neither a checkpoint (config.json) nor a bundle ({MANIFEST})")
    if run_id.startswith(ADAPTED):
        raise ConfigError(f"{path}: is adapted already; start from the model it was made of")
    return source


def open_base(source: Source, out: Path) -> Base:
    """Return both forms of `source`; the one that it is not is made under `out`.

    Of the bundle that ships, the repository may have the checkpoint that it was made from, before
    quantisation: then that is taken.
    """
    if source.kind == "checkpoint":
        bundle = export(source.path, out / "before", "int8")
        return Base(source.path, bundle)
    bundle = load_bundle(source.path)
    beside = source.path.parent.parent / "checkpoints" / source.path.name
    if run_description(beside).get("run_id") == bundle.manifest.run_id:
        return Base(beside, bundle)
    run_command("unpack", [str(source.path), "--out", str(out / "base")])
    return Base(out / "base", bundle)


def export(checkpoint: Path, out: Path, quant: Quant) -> Bundle:
    """Write the bundle `out` of a checkpoint."""
    run_command("export", [str(checkpoint), "--out", str(out), "--quant", quant])
    return load_bundle(out)


def run_command(name: str, arguments: Sequence[str]) -> None:
    """Do what `m31r-train NAME` does, without its output; another package brings the command.

    Raises M31RError when that package is not installed, and whatever the command raises.
    """
    found = entry_points(group="m31r_train.commands", name=name)
    if not found:
        raise M31RError(f"m31r-train {name} is missing; install m31r[adapt]")
    parser = argparse.ArgumentParser()
    next(iter(found)).load()(parser.add_subparsers())
    parsed = parser.parse_args([name, *arguments])
    with contextlib.redirect_stdout(io.StringIO()):
        parsed.handler(parsed)
