"""Fine-tuning on a workspace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from m31r_core.bundle import load_bundle
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


MODULE = """\
//! The {name}s of a survey.

use crate::survey::{{Depth, Place, SurveyError}};

/// One {name}, as it was charted.
#[derive(Debug, Clone, PartialEq)]
pub struct {title} {{
    pub {name}_id: u32,
    pub {name}_place: Place,
    pub {name}_depth: Depth,
}}

impl {title} {{
    pub fn charted({name}_id: u32, {name}_place: Place) -> Result<Self, SurveyError> {{
        let {name}_depth = Depth::sounded(&{name}_place)?;
        Ok(Self {{ {name}_id, {name}_place, {name}_depth }})
    }}

    pub fn {name}_is_deeper(&self, other: &{title}) -> bool {{
        self.{name}_depth > other.{name}_depth
    }}

    pub fn {name}_label(&self) -> String {{
        format!("{name} {{}} at {{}}", self.{name}_id, self.{name}_place)
    }}
}}

pub fn deepest_{name}(all: &[{title}]) -> Option<&{title}> {{
    all.iter().max_by_key(|{name}| {name}.{name}_depth)
}}

pub fn {name}s_within(all: &[{title}], {name}_limit: Depth) -> Vec<&{title}> {{
    all.iter().filter(|{name}| {name}.{name}_depth < {name}_limit).collect()
}}
"""
NAMES = ("anchorage", "basin", "channel", "fjord", "harbour", "inlet", "lagoon", "reef", "strait")
STEPS = 10


@dataclass(frozen=True)
class Runs:
    """Two adaptations of one workspace, without a network, and what was there before."""

    workspace: Path
    outs: tuple[Path, Path]
    codes: tuple[int, int]
    before: dict[Path, bytes]


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory, bundle_path: Path) -> Runs:
    folder = tmp_path_factory.mktemp("adapt")
    workspace = folder / "survey"
    (workspace / "src").mkdir(parents=True)
    for name in NAMES:
        text = MODULE.format(name=name, title=name.title())
        (workspace / "src" / f"{name}.rs").write_text(text, "utf-8")
    before = files_of(workspace) | files_of(bundle_path)
    network = ["unshare", "--user", "--map-root-user", "--net"]
    if subprocess.run([*network, "true"], capture_output=True, check=False).returncode:
        network = []
    (folder / "home").mkdir()
    (folder / "elsewhere").mkdir()
    outs = (folder / "first", folder / "second")
    codes = []
    for out in outs:
        command = [*network, sys.executable, "-m", "m31r_train.cli", "adapt", str(workspace)]
        options = {"steps": STEPS, "threads": 1, "pace.rows": 2, "pace.checks": 2}
        options |= {"pace.warmup_steps": 2, "hold_back.tasks": 20}
        command += [part for key, value in options.items() for part in ("--set", f"{key}={value}")]
        done = subprocess.run(
            [*command, "--model", str(bundle_path), "--out", str(out)],
            cwd=folder / "elsewhere",
            env=os.environ | {"HOME": str(folder / "home")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr
        codes.append(done.returncode)
    return Runs(workspace, outs, (codes[0], codes[1]), before)


def files_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_an_adapted_model_predicts_held_back_files_better(adapted: Runs) -> None:
    numbers = json.loads((adapted.outs[0] / "adapt.json").read_text("utf-8"))
    assert numbers["training"]["steps"] == STEPS
    assert numbers["held_back"]["n"] > 0
    assert numbers["held_back"]["bits_after"] < numbers["held_back"]["bits_before"]
    worse = numbers["held_back"]["verdict"] == "worse"
    assert adapted.codes[0] == int(worse)


def test_what_is_held_back_was_not_trained_on(adapted: Runs) -> None:
    files = json.loads((adapted.outs[0] / "adapt.json").read_text("utf-8"))["files"]
    parts = [files[part]["paths"] for part in ("train", "stop", "held_back", "near_copies")]
    assert sorted(path for part in parts for path in part) == [f"src/{name}.rs" for name in NAMES]
    assert files["held_back"]["paths"]


def test_equal_inputs_give_equal_bytes(adapted: Runs) -> None:
    first, second = (files_of(out / "bundle") for out in adapted.outs)
    assert list(first.values()) == list(second.values())


def test_the_code_and_the_bundle_that_ships_stay_untouched(
    adapted: Runs, bundle_path: Path
) -> None:
    assert files_of(adapted.workspace) | files_of(bundle_path) == adapted.before


def test_all_that_is_written_lies_under_out_and_git_ignores_it(adapted: Runs) -> None:
    folder = adapted.workspace.parent
    assert files_of(folder / "home") == {}
    assert files_of(folder / "elsewhere") == {}
    assert (adapted.outs[0] / ".gitignore").read_text("utf-8") == "*\n"


def test_an_adapted_bundle_completes_and_is_not_adapted_again(
    adapted: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = load_bundle(adapted.outs[0] / "bundle")
    assert bundle.manifest.run_id.startswith("adapted-")
    assert "survey" in bundle.manifest.model_id
    again = ["adapt", str(adapted.workspace), "--model", str(bundle.path)]
    assert main([*again, "--out", str(tmp_path / "again")]) == 2
    assert "adapted already" in capsys.readouterr().err
    assert not (tmp_path / "again").exists()


def test_a_folder_that_is_no_adaptation_is_not_overwritten(
    adapted: Runs, bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    options = ["--model", str(bundle_path), "--out", str(tmp_path)]
    assert main(["adapt", str(adapted.workspace), *options]) == 2
    assert "choose another --out" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
