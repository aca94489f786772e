"""A workspace while its manifests stay as they are: where its copies lie, what is known of it."""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from m31r_core.cargo.full import FullCheck, Targets
from m31r_core.cargo.known import Keys, Results, Sources
from m31r_core.cargo.lanes import Lanes
from m31r_core.cargo.layout import Layout
from m31r_core.cargo.learn import Learned, load_learned
from m31r_core.cargo.process import CargoError, rust_program
from m31r_core.cargo.tree import Scanner, Tree, is_rust


class Opened:
    """What a workspace holds while its manifests stay as they are."""

    def __init__(
        self,
        layout: Layout,
        home: Path,
        full: FullCheck,
        lanes: Lanes,
        scanner: Scanner,
        pool: ThreadPoolExecutor,
        targets: Targets,
    ) -> None:
        self.layout = layout
        self.home = home
        self.full = full
        self.lanes = lanes
        self.scanner = scanner
        self.pool = pool
        self.targets = targets
        self.file = home / f"learned-{targets}.json"
        self.learned: Learned | None = None
        self.results = Results(home / f"results-{targets}.json")
        self.sources = Sources()
        home.mkdir(parents=True, exist_ok=True, mode=0o700)

    def load(self) -> Learned | None:
        """What this or another process learned last."""
        return load_learned(self.file)

    def take(self, learned: Learned | None) -> None:
        """Begin anew with what was learned."""
        self.learned = learned
        if learned is None:
            return
        self.sources = Sources()
        for name, found in learned.sources.items():
            self.sources.add(name, found)
        self.results.load(self.sources)
        keys = Keys(learned, self.sources, learned.versions)
        for name, result in learned.results.items():
            self.results.put(keys, name, result)

    def config(self, tree: Tree) -> str:
        """A digest of all that decides how the units are compiled, Rust files of members aside."""
        folders = tuple(str(package.folder) + "/" for package in self.layout.packages)
        parts: list[object] = [self.targets, _environment(), str(self.full.target_dir)]
        for path, version in sorted(tree.versions.items()):
            parts.append((path, "" if is_rust(path) and path.startswith(folders) else version))
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def resolve(self, path: Path) -> Path:
        """`path` (absolute or from the workspace root), links of its folder resolved."""
        full = self.layout.root / path
        full = Path(os.path.normpath(full.parent.resolve() / full.name))
        if not any(full.is_relative_to(root) for root in self.layout.roots):
            raise CargoError(f"{full}: outside the workspace {self.layout.root}")
        return full


def _environment() -> list[object]:
    """What outside the workspace decides which compiler runs and how."""
    found: list[object] = [
        (name, value)
        for name, value in sorted(os.environ.items())
        if name.startswith(("CARGO", "RUST"))
    ]
    rustup = Path(os.environ.get("RUSTUP_HOME", "~/.rustup")).expanduser()
    cargo_home = Path(os.environ.get("CARGO_HOME", "~/.cargo")).expanduser()
    files = [
        rustup / "settings.toml",
        cargo_home / "config.toml",
        cargo_home / "config",
        *(Path(rust_program(name) or "") for name in ("cargo", "rustc")),
    ]
    for file in files:
        try:
            stat = file.stat()
            found.append((str(file), stat.st_mtime_ns, stat.st_size))
        except OSError:
            found.append((str(file), 0, 0))
    return found
