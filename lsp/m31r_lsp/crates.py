"""The crates of a session as the compiler sees them, with what was found on them so far.

Everything here may take seconds and is for threads other than the loop's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from m31r_core.cargo import Snapshot, Workspace
    from m31r_core.cargo.compiler import Compiler, Verdict
    from m31r_core.cargo.diagnostics import Diagnostic
    from m31r_core.cargo.process import Deadline
    from m31r_core.repair.fixes import Fix

Place = tuple[str, int]
"""A path as in the spans of diagnostics, and a byte offset."""


@dataclass
class Findings:
    """One state of a crate: its snapshot, and the repairs that were looked for on it.

    A key in `fixes` or `rewrites` says that somebody looked, also when there were none; one in
    `given_up`, that there were none when the time was up.
    """

    folder: Path
    snapshot: Snapshot
    fixes: dict[object, tuple[Fix, ...]] = field(default_factory=dict)
    given_up: set[object] = field(default_factory=set)
    rewrites: dict[Place, tuple[Fix, ...]] = field(default_factory=dict)
    all_fixed: dict[str, Fix | None] = field(default_factory=dict)

    def path_of(self, file: Path) -> str | None:
        """Return the path that spans have for `file`, None when it is outside."""
        from m31r_core.cargo.process import CargoError

        try:
            path = self.snapshot.path_of(file)
        except CargoError:
            return None
        return path if path in self.snapshot.paths() else None

    @staticmethod
    def key(error: Diagnostic) -> object:
        """What tells one error from the others of the same state."""
        return (error.identity, error.primary)


class Crates:
    """The workspaces that were looked at, by the folder of their nearest Cargo.toml."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workspaces: dict[Path, Workspace] = {}
        self._latest: dict[Path, Findings] = {}

    def look(self, folder: Path, buffers: Mapping[Path, str], deadline: Deadline) -> Findings:
        """Return what is known of the crate in `folder` with unsaved texts `buffers` in place.

        Only what changed since the last look is compiled; nothing at all when nothing did.
        Raises CargoError when the compiler cannot answer.
        """
        # Imported here: a session without errors needs none of it.
        from m31r_core.cargo import Workspace

        with self._lock:
            workspace = self._workspaces.get(folder)
            if workspace is None:
                workspace = self._workspaces[folder] = Workspace(folder)
        root = workspace.root
        within = {file: text for file, text in buffers.items() if file.is_relative_to(root)}
        snapshot = workspace.snapshot(within, deadline)
        with self._lock:
            latest = self._latest.get(folder)
            if latest is None or latest.snapshot.state != snapshot.state:
                latest = self._latest[folder] = Findings(folder, snapshot)
            return latest

    def latest(self, folder: Path) -> Findings | None:
        """Return what the last look found, whatever has changed since. Never waits long."""
        with self._lock:
            return self._latest.get(folder)


class Watched:
    """A compiler that tells of each check, for progress; it is the one given otherwise."""

    def __init__(self, compiler: Compiler, checked: Callable[[], None]) -> None:
        """`checked` is called after each check, from whatever thread ran it."""
        self._compiler = compiler
        self._checked = checked

    @property
    def lanes(self) -> int:
        """As the compiler's."""
        return self._compiler.lanes

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """As the compiler's."""
        return self._compiler.errors

    def text(self, path: str) -> bytes:
        """As the compiler's."""
        return self._compiler.text(path)

    def paths(self) -> Sequence[str]:
        """As the compiler's."""
        return self._compiler.paths()

    def check(self, changes: Mapping[str, bytes], deadline: Deadline) -> Verdict:
        """As the compiler's."""
        verdict = self._compiler.check(changes, deadline)
        self._checked()
        return verdict


def crate_of(file: Path) -> Path | None:
    """Return the folder of the nearest Cargo.toml above `file`, None where there is none."""
    return next((at for at in file.parents if (at / "Cargo.toml").is_file()), None)
