"""The compiler of a cargo workspace: verdicts on candidates within a keystroke or two.

Cargo checks the saved files once, in a copy (full.py), and every call of rustc is written down
(recorder.py, learn.py). After that rustc is called directly, for the units whose files a candidate
changes and those that build on them (evaluate.py), in a lane with incremental state (lanes.py).
What the errors of a unit depend on is known (known.py), so nothing is asked for twice. Where only
cargo can know, cargo is asked: `Snapshot.check` says when.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from m31r_core.cargo.full import FullCheck, Targets
from m31r_core.cargo.known import replace_text
from m31r_core.cargo.lanes import Lanes
from m31r_core.cargo.layout import Layout, layout_as_json, layout_from_json, read_layout
from m31r_core.cargo.learn import learn, save_learned
from m31r_core.cargo.opened import Opened
from m31r_core.cargo.process import CargoError, Deadline, locked
from m31r_core.cargo.snapshot import Snapshot, is_saved
from m31r_core.cargo.tree import Scanner

LARGEST_LANES = 4


class Workspace:
    """One cargo workspace that the user trusts. Threads may share it, and processes its folder.

    Everything it writes lies under `$XDG_CACHE_HOME/m31r` (and in `target_dir`, cargo's target
    folder for the copy). `targets` says whether tests, examples and benches count.
    """

    def __init__(
        self, folder: Path, *, target_dir: Path | None = None, targets: Targets = "all"
    ) -> None:
        self._folder = folder.resolve()
        self._target_dir = target_dir.absolute() if target_dir else None
        self._targets: Targets = targets
        self._guard = threading.Lock()
        self._open: Opened | None = None
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
        self._lanes = min(cores, LARGEST_LANES)
        self._pool = ThreadPoolExecutor(cores, thread_name_prefix="rustc")

    @property
    def root(self) -> Path:
        """The folder of the workspace; raises CargoError where there is none."""
        return self._opened(Deadline(60.0)).layout.root

    def snapshot(self, buffers: Mapping[Path, str], deadline: Deadline) -> Snapshot:
        """Return the compiler's view of the files as they are now.

        `buffers` are unsaved texts by path. The first call checks the workspace from scratch;
        later ones run what changed. Raises CargoError when there is no Cargo.toml, cargo is
        missing or cannot start to compile, a buffer lies outside, or the deadline is over.
        """
        try:
            return self._snapshot(buffers, deadline)
        except OSError as error:
            raise CargoError(f"{error.filename}: {error.strerror}") from error

    def close(self) -> None:
        """End the worker threads; running checks finish first."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _snapshot(self, buffers: Mapping[Path, str], deadline: Deadline) -> Snapshot:
        while True:
            opened = self._opened(deadline)
            tree = opened.scanner.scan(deadline)
            config = opened.config(tree)
            if opened.learned is None:
                opened.take(opened.load())
            learned = opened.learned
            if learned is not None and learned.is_current(tree, config):
                break
            with locked(opened.full.lock, deadline):
                layout = self._fresh_layout(opened, config, deadline)
                if layout.roots != opened.layout.roots:
                    continue
                learned = opened.load()
                if learned is None or not learned.is_current(tree, config):
                    learned = learn(
                        opened.full, opened.home, layout, tree, config, learned, deadline
                    )
                    save_learned(learned, opened.file)
                    opened.lanes.prune(learned.units)
                opened.take(learned)
        texts = {str(opened.resolve(path)): text.encode() for path, text in buffers.items()}
        overlay = {path: text for path, text in texts.items() if not is_saved(tree, path, text)}
        return Snapshot(opened, tree, overlay, deadline)

    def _opened(self, deadline: Deadline) -> Opened:
        with self._guard:
            if self._open is None or not self._open.layout.is_current():
                self._open = self._start(self._layout(deadline))
            return self._open

    def _start(self, layout: Layout) -> Opened:
        home = _home(layout.root)
        target = self._target_dir or home / "target"
        full = FullCheck(home, target, self._targets)
        lanes = Lanes(home / "lanes", self._lanes)
        scanner = Scanner(layout.roots, _cache_home())
        return Opened(layout, home, full, lanes, scanner, self._pool, self._targets)

    def _fresh_layout(self, opened: Opened, config: str, deadline: Deadline) -> Layout:
        """The layout, asked for again where the configuration is not the one learned from."""
        if opened.learned is not None and opened.learned.config == config:
            return opened.layout
        layout = read_layout(self._folder, deadline)
        replace_text(self._layout_file, layout_as_json(layout))
        if layout.roots != opened.layout.roots:
            with self._guard:
                self._open = self._start(layout)
        opened.layout = layout
        return layout

    @property
    def _layout_file(self) -> Path:
        return _home(self._folder, "layouts").with_suffix(".json")

    def _layout(self, deadline: Deadline) -> Layout:
        try:
            layout = layout_from_json(self._layout_file.read_text("utf-8"))
            if layout.is_current():
                return layout
        except (OSError, ValueError, KeyError, TypeError):
            pass
        layout = read_layout(self._folder, deadline)
        replace_text(self._layout_file, layout_as_json(layout))
        return layout


def _cache_home() -> Path:
    configured = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(configured) if Path(configured).is_absolute() else Path("~/.cache").expanduser()
    return base / "m31r"


def _home(folder: Path, kind: str = "overlay") -> Path:
    return _cache_home() / kind / hashlib.sha256(str(folder).encode()).hexdigest()[:16]
