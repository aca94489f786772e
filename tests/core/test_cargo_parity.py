"""On mutants of real crates, rustc called directly says what `cargo check` says.

benchmarks/check.py does the same with 500 mutants and times both.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from m31r_core.cargo import Deadline, Workspace
from m31r_core.cargo.compiler import compare
from tests.core.mutants import ARCHIVE, PlainCargo, crate_of, mutants, unpack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ARCHIVE.is_file(), reason=f"{ARCHIVE} is not there (M31R_SHARED)"),
]

COUNTS = {"itoa": 20, "semver": 16, "smallvec": 10, "indexmap": 10, "regex-syntax": 4}
DEADLINE_S = 120.0


@pytest.fixture(scope="module")
def cargo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("crates"))


@pytest.mark.parametrize("name", COUNTS)
def test_the_same_new_errors_as_plain_cargo(
    name: str, cargo_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARGO_HOME", str(cargo_home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    crate = crate_of(name, cargo_home, tmp_path / name)
    plain = PlainCargo(Path(shutil.copytree(crate, tmp_path / "plain")), tmp_path / "target")
    before = plain.errors({})
    snapshot = Workspace(crate).snapshot({}, Deadline(DEADLINE_S))
    chosen = mutants(crate, COUNTS[name], seed=1)
    assert len(chosen) == COUNTS[name]
    failing = fast = 0
    for mutant in chosen:
        changes = {mutant.path: mutant.text}
        reason = snapshot.why_cargo(changes)
        assert not reason or "no unit reads it" in reason
        fast += not reason
        verdict = snapshot.check(changes, Deadline(DEADLINE_S))
        truth = compare(before, plain.errors(changes), 0)
        ours, theirs = ({error.identity for error in found.new} for found in (verdict, truth))
        assert ours == theirs, mutant.kind
        failing += not verdict.passed
    assert 0 < failing < len(chosen)
    assert fast > len(chosen) / 2
