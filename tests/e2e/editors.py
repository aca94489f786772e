"""The editors that scripts/install-editors installed, and an environment of their own for them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
T = TypeVar("T")


def installed(part: str) -> Path:
    """Return the folder of a part; skip the test, with the reason, where it is not there."""
    folder = Path(os.environ.get("M31R_EDITORS", REPOSITORY / ".cache" / "editors"))
    if (folder / part / ".made").is_file():
        return folder / part
    missing = folder / f"{part}.missing"
    if missing.is_file():
        pytest.skip(f"{part} could not be installed: {missing.read_text('utf-8').strip()}")
    pytest.skip(f"{part} is not installed; scripts/install-editors does it")


def environment(home: Path) -> dict[str, str]:
    """Return variables that keep all that an editor and what it starts write below `home`.

    The Rust toolchain stays the user's.
    """
    kinds = ("CONFIG", "DATA", "STATE", "CACHE")
    folders = {f"XDG_{kind}_HOME": home / kind.lower() for kind in kinds}
    rust = {
        name: os.environ.get(name, Path.home() / folder)
        for name, folder in (("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup"))
    }
    own = {**folders, **rust, "XDG_RUNTIME_DIR": home, "HOME": home}
    return {**os.environ, **{name: str(value) for name, value in own.items()}}


def until(question: Callable[[], T], seconds: float) -> T:
    """The first true answer within `seconds`, else the last one."""
    end = time.monotonic() + seconds
    while not (answer := question()) and time.monotonic() < end:
        time.sleep(0.05)
    return answer
