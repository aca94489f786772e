"""Build hook: every bundle under models/ goes into the wheel, none into an editable install."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BundleHook(BuildHookInterface[Any]):
    """Adds `models/<name>` to a wheel as `m31r_core/_models/<name>`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Extend hatchling's `force_include`; an editable install reads models/ where it lies."""
        if version == "editable":
            return
        for manifest in sorted(Path(self.root, "models").glob("*/m31r.json")):
            bundle = manifest.parent
            build_data["force_include"][str(bundle)] = f"m31r_core/_models/{bundle.name}"
