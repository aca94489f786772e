"""Fine-tuning on a workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from m31r_core.config import load_toml
from m31r_train.adapt.config import AdaptConfig
from m31r_train.adapt.measure import mcnemar
from m31r_train.cli import main
from tests.train.small import ROOT


def test_the_configuration_that_comes_along_is_the_defaults() -> None:
    assert load_toml(ROOT / "configs/train/adapt.toml", AdaptConfig) == AdaptConfig()


def test_too_little_rust_is_one_clear_line_and_nothing_is_written(
    tmp_path: Path, bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace, out = tmp_path / "small", tmp_path / "out"
    workspace.mkdir()
    (workspace / "lib.rs").write_text("pub fn one() -> u32 {\n    1\n}\n" * 4, "utf-8")
    options = ["--model", str(bundle_path), "--out", str(out)]
    assert main(["adapt", str(workspace), *options]) == 2
    error = capsys.readouterr().err
    assert "too few to learn from" in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_mcnemar_is_a_fair_coin_over_what_changed() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 0) == 2 / 32
    assert mcnemar(1, 1) == 1.0
