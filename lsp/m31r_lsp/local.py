"""The model and the settings of a folder, for the commands that need no editor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from m31r_core.bundle import Bundle, find_bundle, load_bundle
from m31r_core.engine import Completer, Engine
from m31r_core.errors import ConfigError
from m31r_lsp.settings import WORKSPACE_FILE, Settings, resolve, workspace_section


@dataclass(frozen=True)
class Local:
    """A loaded model and the settings that hold in `workspace`."""

    bundle: Bundle
    completer: Completer
    settings: Settings
    workspace: Path | None


def load_local(explicit: Path | None, workspace: Path | None) -> Local:
    """Load what a server would in `workspace`. Raises M31RError, ConfigError for a wrong key."""
    section = workspace_section(workspace)
    settings, refusals = resolve({str((workspace or Path()) / WORKSPACE_FILE): section})
    if refusals:
        raise ConfigError(refusals[0])
    bundle = load_bundle(find_bundle(explicit=explicit, workspace=workspace))
    engine = Engine.load(bundle, threads=settings.threads)
    return Local(bundle, Completer(engine), settings, workspace)


def workspace_of(file: Path) -> Path | None:
    """Return the nearest folder above `file` with an m31r.toml, else with a Cargo.toml."""
    for name in (WORKSPACE_FILE, "Cargo.toml"):
        for folder in file.absolute().parents:
            if (folder / name).is_file():
                return folder
    return None
