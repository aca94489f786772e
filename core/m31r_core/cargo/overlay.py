"""Does a change compile? Cargo's verdict on file texts that exist nowhere but in memory."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from m31r_core.cargo.compiler import Verdict
from m31r_core.cargo.process import Deadline
from m31r_core.cargo.workspace import Workspace


def check_overlay(
    workspace: Path,
    files: Mapping[Path, str],
    *,
    deadline_s: float = 60.0,
    target_dir: Path | None = None,
) -> Verdict:
    """Check the Cargo workspace around `workspace` as if `files` had been saved.

    `files` maps paths, absolute or relative to `workspace`, to whole texts. The user's folder is
    only read. One call for those who need no more; `Workspace` stays and is faster.

    Raises CargoError when there is no Cargo.toml, cargo is missing or cannot start to compile,
    a file lies outside the workspace, or `deadline_s` (seconds, for everything) is over.
    """
    start = time.monotonic()
    deadline = Deadline(deadline_s)
    compiler = Workspace(workspace, target_dir=target_dir)
    try:
        snapshot = compiler.snapshot({}, deadline)
        here = workspace.resolve()
        changes = {snapshot.path_of(here / path): text.encode() for path, text in files.items()}
        verdict = snapshot.check(changes, deadline)
    finally:
        compiler.close()
    return Verdict(verdict.new, verdict.gone, verdict.unchanged, time.monotonic() - start)
