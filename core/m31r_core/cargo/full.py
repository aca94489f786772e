"""Plain cargo on the copy: slow, always right, and the teacher of the fast path."""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from m31r_core.cargo import recorder
from m31r_core.cargo.diagnostics import Diagnostic, parse_messages
from m31r_core.cargo.mirror import Mirror
from m31r_core.cargo.process import CargoOutput, Deadline, run_cargo
from m31r_core.cargo.tree import Tree

Targets = Literal["default", "all"]

CHECK = ("check", "--workspace", "--keep-going", "--message-format=json")

WRAPPER = """\
#!/bin/sh
if [ "$2" = --crate-name ] && [ "$3" != ___ ]; then
    '{python}' -IS '{recorder}' "$@" || :
fi
unset M31R_RECORDS M31R_BASE
exec "$@"
"""


@dataclass(frozen=True)
class CargoAnswer:
    """What cargo said: its JSON messages as they were, and what a user may read of them."""

    output: CargoOutput
    tree: str

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """All messages, with paths of the user in the place of those of the copy."""
        lines = self.output.stdout.replace(self.tree + "/", "/").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    @cached_property
    def complaints(self) -> list[str]:
        """Cargo's own errors, such as a build script that failed; not those that sum up rustc's."""
        lines = [line for line in self._stderr.splitlines() if line.startswith("error: ")]
        return [
            line.removeprefix("error: ")
            for line in lines
            if not line.startswith("error: could not compile")
        ]

    @cached_property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Errors and warnings of rustc, then the complaints as errors at no place."""
        text = self.output.stdout.replace(self.tree, "")
        found = [line for line in text.splitlines() if '"compiler-message"' in line]
        diagnostics = parse_messages(found)
        complaints = self.complaints
        silent = not complaints and not any(found.is_error for found in diagnostics)
        if self.output.returncode and silent:
            complaints = [self.first_error]
        own = [Diagnostic("error", None, line, (), (), self._stderr) for line in complaints]
        return (*diagnostics, *own)

    @property
    def could_not_start(self) -> bool:
        """Whether something else than the code is wrong."""
        errors = [found for found in self.diagnostics if found.is_error and found.spans]
        return bool(self.complaints) or (self.output.returncode != 0 and not errors)

    @property
    def first_error(self) -> str:
        """Cargo's own complaint in one line."""
        return CargoOutput(self.output.returncode, "", self._stderr).first_error()

    @property
    def _stderr(self) -> str:
        return self.output.stderr.replace(self.tree, "")


class FullCheck:
    """The copy of a workspace that cargo works on. `home` is ours alone."""

    def __init__(self, home: Path, target_dir: Path, targets: Targets) -> None:
        self.mirror = Mirror(home)
        self.target_dir = target_dir
        self._home = home
        self._targets = targets

    @property
    def lock(self) -> Path:
        """The file whose lock callers of `run` hold."""
        return self._home / "lock"

    def run(
        self,
        root: Path,
        tree: Tree,
        overlay: Mapping[str, bytes],
        records: Path,
        deadline: Deadline,
    ) -> CargoAnswer:
        """Check `tree` with `overlay` over it; calls of rustc are written down in `records`.

        Raises CargoError when cargo is missing or the deadline is.
        """
        self.mirror.sync(tree, overlay, deadline)
        records.mkdir(parents=True, exist_ok=True, mode=0o700)
        everything = ["--all-targets"] if self._targets == "all" else []
        target = str(self.target_dir)
        salt = uuid.uuid4().hex
        extra = {
            "CARGO_BUILD_BUILD_DIR": target,
            "RUSTC_WRAPPER": "",
            "RUSTC_WORKSPACE_WRAPPER": str(self._wrapper()),
            "M31R_RECORDS": str(records),
            "M31R_BASE": recorder.base(os.environ, salt),
        }
        output = run_cargo(
            [*CHECK, *everything, "--target-dir", target],
            cwd=self.mirror.place(root),
            deadline=deadline,
            extra=extra,
        )
        return CargoAnswer(output, str(self.mirror.tree))

    def _wrapper(self) -> Path:
        """The script that cargo calls in rustc's place."""
        text = WRAPPER.format(python=sys.executable, recorder=recorder.__file__)
        script = self._home / "rustc"
        if not script.exists() or script.read_text("utf-8") != text:
            temporary = script.with_name(f"rustc.{os.getpid()}")
            temporary.write_text(text, "utf-8")
            temporary.chmod(0o700)
            temporary.replace(script)
        return script
