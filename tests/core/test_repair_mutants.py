"""On mutants of real crates, every fix that is offered holds before plain `cargo check`.

benchmarks/repair.py does the same with 300 mutants and times it.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from m31r_core.cargo import Deadline, Workspace
from m31r_core.repair import RepairLimits, find_fixes, lay
from tests.core.mutants import ARCHIVE, PlainCargo, crate_of, mutants, unpack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ARCHIVE.is_file(), reason=f"{ARCHIVE} is not there (M31R_SHARED)"),
]

COUNTS = {"itoa": 7, "semver": 7}
OFFERS = 2
DEADLINE_S = 120.0


@pytest.fixture(scope="module")
def cargo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("crates"))


@pytest.mark.parametrize("name", COUNTS)
def test_every_offered_fix_passes_plain_cargo(
    name: str, cargo_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARGO_HOME", str(cargo_home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    crate = crate_of(name, cargo_home, tmp_path / name)
    plain = PlainCargo(Path(shutil.copytree(crate, tmp_path / "plain")), tmp_path / "target")
    workspace = Workspace(crate)
    broken = fixed = 0
    for mutant in mutants(crate, COUNTS[name], seed=2):
        buffers = {crate / mutant.path: mutant.text.decode()}
        snapshot = workspace.snapshot(buffers, Deadline(DEADLINE_S))
        error = next((e for e in snapshot.errors if e.primary is not None), None)
        if error is None:
            continue
        broken += 1
        before = Counter(each.identity for each in snapshot.errors)
        fixes = find_fixes(snapshot, error, RepairLimits(seconds=60.0, checks=12))
        for _, fix in zip(range(OFFERS), fixes, strict=False):
            fixed += 1
            texts = {mutant.path: mutant.text, **lay(fix.edits, snapshot.text)}
            after = Counter(each.identity for each in plain.errors(texts))
            assert not after - before, fix.title
            assert after[error.identity] < before[error.identity], fix.title
    workspace.close()
    assert broken >= COUNTS[name] / 3
    assert fixed >= broken / 2
