"""The model is loaded while the protocol's thousand types are imported.

Which model is known when the editor's settings are; until then the one that needs no settings is
the best guess.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from m31r_core.engine import Engine


class Preload:
    """A thread that loads the bundle which `explicit`, M31R_MODEL or the installation names."""

    def __init__(self, explicit: Path | None) -> None:
        """Begin at once."""
        self._explicit = explicit
        self._engine: Engine | None = None
        self._thread = threading.Thread(target=self._load, name="m31r-preload", daemon=True)
        self._thread.start()

    def take(self, path: Path, threads: int | None) -> Engine | None:
        """Return the engine, once, if it is of `path` with `threads`; None if it is another."""
        self._thread.join()
        engine, self._engine = self._engine, None
        return engine if engine and threads is None and engine.bundle.path == path else None

    def _load(self) -> None:
        # Imported here: this thread is there before they are.
        from m31r_core.bundle import find_bundle, load_bundle
        from m31r_core.engine import Engine
        from m31r_core.errors import M31RError

        try:
            self._engine = Engine.load(load_bundle(find_bundle(explicit=self._explicit)))
        except (M31RError, OSError):
            # Said when the model is loaded for good.
            return
