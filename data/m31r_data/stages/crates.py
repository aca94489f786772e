"""Stage `crates`: what rustc says of whole crates, and the repair pairs that come of them.

Both happen in the sandbox. What cargo builds for a crate serves both and is removed behind it: it
takes 27 MB in the median, and of 600 crates 16 GB.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m31r_core.cargo.sandbox import Sandbox
from m31r_core.cargo.toolchain import Toolchain, find_toolchain
from m31r_data.compile.lab import Laboratory, LaboratoryError
from m31r_data.compile.verify import (
    NOT_PART,
    CrateFolder,
    CrateVerdict,
    crate_in,
    sandbox_for,
    verify_crate,
)
from m31r_data.config import DataConfig
from m31r_data.document import Document
from m31r_data.mutate.crate_pairs import run_crate
from m31r_data.mutate.pairs import RepairPair, SourceFile
from m31r_data.plan import Plan, Stores, crates_to_break
from m31r_data.records import read_prepared, write_lines
from m31r_data.stages.flow import BuildStep
from m31r_data.stages.prepare import DOCUMENTS
from m31r_data.units import Unit

logger = logging.getLogger(__name__)

VERDICT = "verdict.json"
PAIRS = "pairs.jsonl.zst"

Label = Callable[[str], tuple[str, str]]


class CheckCrates(BuildStep):
    """Check the rank's crates, and break those that compile where pairs are wanted."""

    name = "crates"

    def work(self, plan: Plan, stores: Stores, rank: int, world_size: int) -> None:
        """Write a verdict, and with `repair` pairs, for every crate that has none yet."""
        config = self._config
        toolchain = find_toolchain()
        sandbox = sandbox_for(config.compile, toolchain)
        to_break = frozenset(crates_to_break(plan, config))
        with tempfile.TemporaryDirectory(prefix="m31r-crates-") as work:
            # The sandbox's user must reach what lies inside.
            Path(work).chmod(0o755)
            check = _CrateCheck(config, plan, stores, sandbox, toolchain, Path(work))
            for unit in plan.batches["crates"][rank]:
                breaks = unit in to_break and not stores.repaired.has(plan.repaired[unit])
                if breaks or not stores.compiled.has(plan.compiled[unit]):
                    with self.track_time("crate"):
                        check.run(unit, breaks=breaks)


@dataclass(frozen=True)
class _CrateCheck:
    config: DataConfig
    plan: Plan
    stores: Stores
    sandbox: Sandbox
    toolchain: Toolchain
    work: Path

    def run(self, unit: int, *, breaks: bool) -> None:
        """Write the verdict of one crate, and its pairs where it is to be broken."""
        plan, stores = self.plan, self.stores
        path = stores.prepared.path(plan.prepared[unit]) / DOCUMENTS
        documents = [row.document for row in read_prepared(path) if not row.reason]
        verdict = self._verdict(unit, documents)
        name = plan.units[unit].name
        if not stores.compiled.has(plan.compiled[unit]):
            with stores.compiled.writing(plan.compiled[unit], name) as folder:
                content = {
                    "compiles": verdict.compiles,
                    "why": verdict.why,
                    "files": verdict.files,
                }
                (folder / VERDICT).write_text(json.dumps(content), encoding="utf-8")
        if breaks:
            with stores.repaired.writing(plan.repaired[unit], name) as folder:
                pairs = self._pairs(unit, documents, verdict)
                write_lines(folder / PAIRS, (pair.to_json() for pair in pairs))

    def _verdict(self, unit: int, documents: Sequence[Document]) -> CrateVerdict:
        if not documents:
            return CrateVerdict("unknown", "no file passed the filters", (), 0.0)
        return verify_crate(
            documents[0].package,
            documents[0].version,
            self.plan.units[unit].path,
            work=self.work,
            vendor=self.config.compile.vendor,
            sandbox=self.sandbox,
            toolchain=self.toolchain,
            config=self.config.compile,
        )

    def _pairs(
        self, unit: int, documents: Sequence[Document], verdict: CrateVerdict
    ) -> list[RepairPair]:
        """Break what passed the filters and was compiled; a crate that resists gives none."""
        if verdict.compiles != "yes":
            return []
        inside = path_inside(self.plan.units[unit], self.config)
        files = {}
        for document in documents:
            path = inside(document.path)
            if path in verdict.files:
                text = (self.plan.units[unit].path / path).read_bytes()
                files[path] = SourceFile(text, document.license, document.sha256)
        package, version = documents[0].package, documents[0].version
        crate = crate_in(
            CrateFolder(package, version, self.plan.units[unit].path),
            work=self.work,
            vendor=self.config.compile.vendor,
            share=self.config.compile.crates_together > 1,
        )
        scratch = self.work / "scratch"
        try:
            with Laboratory(crate, self.sandbox.fresh(), self.toolchain, scratch) as laboratory:
                seed, repair = self.config.seed, self.config.repair
                return list(run_crate(laboratory, files, package, version, repair, seed))
        except LaboratoryError as error:
            logger.warning("%s", error)
            return []


def labels(plan: Plan, stores: Stores, config: DataConfig, unit: int) -> Label:
    """Return what says whether a document of `unit` compiles, by its path, and why not."""
    if not config.compile.enabled:
        return lambda path: ("unknown", "")
    if plan.units[unit].reader != "crates":
        return lambda path: ("unknown", "not a whole crate")
    path = stores.compiled.path(plan.compiled[unit]) / VERDICT
    verdict: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    inside, files = path_inside(plan.units[unit], config), frozenset(verdict["files"])

    def label(path: str) -> tuple[str, str]:
        if verdict["compiles"] == "yes" and inside(path) not in files:
            return "unknown", NOT_PART
        return verdict["compiles"], verdict["why"]

    return label


def path_inside(unit: Unit, config: DataConfig) -> Callable[[str], str]:
    """Return what makes a document's path relative to its crate's folder."""
    folder = unit.path.relative_to(config.sources[unit.source].path).as_posix()
    return lambda path: path.removeprefix(f"{folder}/")
