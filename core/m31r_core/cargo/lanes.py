"""Places where rustc judges candidates: each a copy of the workspace with incremental state."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from m31r_core.cargo.mirror import Mirror
from m31r_core.cargo.process import CargoError, Deadline, run_nice, try_lock
from m31r_core.cargo.recorder import OURS
from m31r_core.cargo.units import Result, Unit, command_line, dep_info_sources, stem_of

STALE_S = 7 * 24 * 3600.0
"""Seconds without use after which the state of a unit that is gone is deleted."""


@dataclass(frozen=True)
class Kept:
    """What cargo built of the workspace and lanes may use; nothing changes it any more.

    `crates` maps the stem of a crate to its file, `moved` the paths that cargo had chosen (of
    folders that build scripts wrote to) to where they are kept.
    """

    folder: Path
    crates: Mapping[str, str]
    moved: Mapping[str, str]


@dataclass
class Lane:
    """One place; whoever uses it holds its lock. `units` says which calls of rustc there are."""

    folder: Path
    mirror: Mirror
    descriptor: int = -1
    _guards: dict[str, threading.Lock] = field(default_factory=dict)

    @property
    def crates(self) -> Path:
        """The folder of what rustc writes here."""
        return self.folder / "deps"

    def is_warm(self, unit: Unit) -> bool:
        """Whether rustc finds incremental state of an earlier run."""
        sessions = (self.folder / "incremental" / unit.name).glob("*/s-*")
        return any(not found.name.endswith(("-working", ".lock")) for found in sessions)

    def holds(self, unit: str, key: str) -> bool:
        """Whether the metadata of `unit` in the state `key` lies here."""
        with contextlib.suppress(OSError):
            found = (self.crates / f"{unit}.key").read_text("utf-8") == key
            return found and (self.crates / f"lib{unit}.rmeta").is_file()
        return False

    def hold(self, unit: str, key: str) -> None:
        """Note that the metadata of `unit` lies here in the state `key`."""
        (self.crates / f"{unit}.key").write_text(key, "utf-8")

    def guard(self, unit: str) -> threading.Lock:
        """What keeps two threads of one check from compiling the same unit."""
        return self._guards.setdefault(unit, threading.Lock())

    def run(
        self,
        unit: Unit,
        tree: str,
        kept: Kept,
        local: frozenset[str],
        deadline: Deadline,
    ) -> Result:
        """Check `unit` with the files as they lie in the lane.

        `tree` is the copy that its paths belong to, `local` names the units whose metadata in
        the right state lies in this lane. Raises CargoError when rustc breaks down.
        """
        info = self.crates / f"{unit.name}.d"
        state = self.folder / "incremental" / unit.name
        (self.crates / f"{unit.name}.key").unlink(missing_ok=True)
        info.unlink(missing_ok=True)
        here = str(self.mirror.tree)

        def place(text: str) -> str:
            for old, new in kept.moved.items():
                text = text.replace(old, new)
            return text.replace(tree, here)

        def extern(path: str) -> str:
            stem = stem_of(path)
            if stem in local:
                return str(self.crates / f"lib{stem}.rmeta")
            return kept.crates.get(stem, path)

        command = command_line(
            unit,
            place=place,
            extern=extern,
            search=[self.crates, kept.folder],
            out_dir=self.crates,
            incremental=state,
        )
        inherited = {name: it for name, it in os.environ.items() if not name.startswith(OURS)}
        environment = {**inherited, **{name: place(text) for name, text in unit.env.items()}}
        cwd = Path(place(unit.cwd))
        output = run_nice(command, cwd, environment, deadline, [self.descriptor])
        lines = []
        for line in output.stderr.splitlines():
            if line.startswith("{"):
                for old, new in kept.moved.items():
                    line = line.replace(new, old)
                lines.append(line.replace(here, "").replace(tree, ""))
        ok = output.returncode == 0
        result = Result(
            ok, tuple(lines), dep_info_sources(info, str(cwd), here, [str(kept.folder)])
        )
        if not ok and not any(found.is_error for found in result.diagnostics):
            shutil.rmtree(state, ignore_errors=True)
            raise CargoError(f"rustc broke down on {unit.source}: {output.first_error()}")
        return result


class Lanes:
    """The lanes of one workspace; processes and threads share them by file locks."""

    def __init__(self, folder: Path, count: int) -> None:
        self._lanes = [
            Lane(folder / str(number), Mirror(folder / str(number))) for number in range(count)
        ]

    def __len__(self) -> int:
        return len(self._lanes)

    def prune(self, units: Collection[str]) -> None:
        """Forget the state of other units that nobody used for a week; skips lanes in use."""
        before = time.time() - STALE_S
        for lane in self._lanes:
            if not lane.folder.is_dir():
                continue
            with (lane.folder / "lock").open("w") as file:
                if not try_lock(file.fileno()):
                    continue
                for found in lane.folder.glob("incremental/*"):
                    if found.name not in units and found.stat().st_mtime < before:
                        shutil.rmtree(found, ignore_errors=True)
                for found in lane.folder.glob("deps/*"):
                    if found.stat().st_mtime < before:
                        found.unlink(missing_ok=True)

    @contextlib.contextmanager
    def one(self, deadline: Deadline) -> Iterator[Lane]:
        """Hold a free lane; waits for one until the deadline."""
        files = []
        try:
            for lane in self._lanes:
                lane.crates.mkdir(parents=True, exist_ok=True)
                files.append((lane.folder / "lock").open("w"))
            while True:
                for lane, file in zip(self._lanes, files, strict=True):
                    if try_lock(file.fileno()):
                        for other in files:
                            if other is not file:
                                other.close()
                        lane.descriptor = file.fileno()
                        yield lane
                        return
                deadline.left()
                time.sleep(0.003)
        finally:
            for file in files:
                file.close()
