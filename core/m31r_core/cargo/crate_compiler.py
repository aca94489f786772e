"""An untrusted crate as something that can be checked: a `Compiler` over workbenches."""

from __future__ import annotations

import hashlib
import queue
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from m31r_core.cargo.compiler import Verdict, compare
from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.cargo.process import CargoError, Deadline
from m31r_core.cargo.rustc_errors import as_diagnostics
from m31r_core.cargo.sandbox import Sandbox
from m31r_core.cargo.toolchain import Toolchain
from m31r_core.cargo.untrusted import UntrustedCrate, check_untrusted
from m31r_core.cargo.workbench import Workbench, WorkbenchError
from m31r_core.closing import Closing

FIRST_S = 120.0
"""Seconds for the first run in a crate, which has no incremental state."""


def prepare_crate(
    crate: UntrustedCrate,
    *,
    sandbox: Sandbox,
    toolchain: Toolchain,
    seconds: float,
    jobs: int | None = None,
) -> None:
    """Let cargo build the crate's dependencies and write down how it calls rustc.

    Raises WorkbenchError with cargo's complaint where the crate does not compile as it is.
    """
    outcome = check_untrusted(
        crate, sandbox=sandbox, toolchain=toolchain, seconds=seconds, jobs=jobs
    )
    if not outcome.ok:
        said = outcome.stderr.decode(errors="replace").strip().splitlines()
        errors = [line for line in said if line.startswith("error")]
        why = next(iter([*errors, *said]), f"status {outcome.status}")
        why = outcome.killed_by or why
        raise WorkbenchError(f"{crate.name}: does not compile here: {why}")


class CrateCompiler(Closing):
    """Implements `Compiler` for a prepared crate with `base`, whole texts by path, laid over it.

    Each of `lanes` workbenches lies in a folder below `scratch`. A context manager.
    """

    def __init__(
        self,
        crate: UntrustedCrate,
        base: Mapping[str, bytes],
        *,
        sandbox: Sandbox,
        toolchain: Toolchain,
        scratch: Path,
        lanes: int = 1,
    ) -> None:
        self._crate = crate
        self._base = dict(base)
        self.lanes = lanes
        """How many checks may run at the same time."""
        self._benches = [
            Workbench(crate, sandbox.fresh(), toolchain, scratch / f"lane{number}")
            for number in range(lanes)
        ]
        self._free: queue.SimpleQueue[Workbench] = queue.SimpleQueue()
        for bench in self._benches:
            self._free.put(bench)
        self._warm: set[Path] = set()
        self._known: dict[bytes, tuple[Diagnostic, ...]] = {}

    def close(self) -> None:
        """End the workbenches and remove their copies."""
        for bench in self._benches:
            bench.close()

    def over(self, base: Mapping[str, bytes]) -> None:
        """Go on with other texts laid over the crate; what was compiled stays warm."""
        self._base = dict(base)

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The errors without any candidate. Raises CargoError when rustc cannot answer."""
        return self._errors({}, Deadline(FIRST_S))

    def text(self, path: str) -> bytes:
        """Return the text of a file. Raises CargoError for one that is not of the crate."""
        if path in self._base:
            return self._base[path]
        try:
            return self._benches[0].text(path)
        except WorkbenchError as error:
            raise CargoError(str(error)) from error

    def paths(self) -> Sequence[str]:
        """Return the paths of the crate's Rust files, sorted."""
        found = self._crate.source.rglob("*.rs")
        return sorted(path.relative_to(self._crate.source).as_posix() for path in found)

    def check(self, changes: Mapping[str, bytes], deadline: Deadline) -> Verdict:
        """Return the verdict on `changes`, whole texts by path, laid over the files.

        Raises CargoError when rustc cannot answer before the deadline.
        """
        start = time.monotonic()
        before = self.errors
        after = self._errors(changes, deadline)
        return compare(before, after, time.monotonic() - start)

    def _errors(self, changes: Mapping[str, bytes], deadline: Deadline) -> tuple[Diagnostic, ...]:
        texts = {**self._base, **changes}
        key = _digest(texts)
        if key in self._known:
            return self._known[key]
        bench = self._free.get()
        try:
            if bench.scratch not in self._warm:
                # The first run is long, and no candidate's fault.
                bench.run({}, FIRST_S)
                self._warm.add(bench.scratch)
            ran = bench.run(texts, deadline.left())
        except WorkbenchError as error:
            raise CargoError(str(error)) from error
        finally:
            self._free.put(bench)
        if ran.ending in ("timeout", "crash"):
            self._warm.discard(bench.scratch)
            if ran.ending == "timeout":
                raise deadline.missed()
            raise CargoError(f"{self._crate.name}: rustc broke down")
        self._known[key] = as_diagnostics(ran.errors)
        return self._known[key]


def _digest(texts: Mapping[str, bytes]) -> bytes:
    digest = hashlib.sha256()
    for path, text in sorted(texts.items()):
        digest.update(f"{path}\0{len(text)}\0".encode())
        digest.update(text)
    return digest.digest()
