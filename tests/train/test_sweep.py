"""A sweep: every run once, whatever happens, and an honest word on what it found."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from m31r_core.config import load_toml
from m31r_train.cli import main
from m31r_train.config import TrainConfig
from m31r_train.sweep import Outcome, SweepConfig, plan_cells
from m31r_train.sweep_report import extrapolate, write_report

BASE = """
dataset = "{dataset}"
output = "unused"
dtype = "float32"
compile = false
threads = 1
log_every = 1
valid_rows = 4

[model]
vocab_size = 320
hidden_size = 64
layers = 1
heads = 1
kv_heads = 1
intermediate_size = 64
context_length = 128

[plan]
steps = 100
batch_tokens = 256
micro_rows = 2
warmup_steps = 1

[loader]
sequence = 128
min_example = 48
end_weight = 3.0

[watch]
peak = false
report_every = 0
samples_every = 0
tasks = 0
"""

SWEEP = """
base = "{base}"
output = "{output}"
tokens = 1024

[[proxies]]
name = "narrow"

[[rates]]
key = "optimiser.muon_rate"
values = [0.005, 0.02, 0.08]

[[variants]]
name = "ends-count-more"
set = ["loader.end_weight=9.0"]
"""


@pytest.fixture
def sweep(dataset: Path, tmp_path: Path) -> Path:
    base, path = tmp_path / "base.toml", tmp_path / "sweep.toml"
    base.write_text(BASE.format(dataset=dataset))
    path.write_text(SWEEP.format(base=base, output=tmp_path / "sweep"))
    return path


def report(sweep: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((sweep.parent / "sweep" / "sweep.json").read_text())
    return found


def logs(sweep: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (sweep.parent / "sweep").glob("*/log.jsonl")}


def test_it_runs_what_is_missing_and_nothing_twice(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", str(sweep)]) == 0
    shown = capsys.readouterr().out
    assert "run 4 of 4" in shown  # the base is the rate 0.02
    assert "ends-count-more" in shown
    assert (sweep.parent / "sweep" / "sweep.png").stat().st_size > 1000
    first, found = logs(sweep), report(sweep)
    assert len(first) == 4

    assert main(["sweep", str(sweep)]) == 0
    assert logs(sweep) == first
    assert report(sweep) == found

    wider = 'rates=[{key="optimiser.muon_rate", values=[0.005, 0.02, 0.08, 0.16]}]'
    assert main(["sweep", str(sweep), "--set", wider]) == 0
    again = logs(sweep)
    assert len(again) == 5
    assert all(again[path] == when for path, when in first.items())


def test_a_killed_sweep_goes_on(sweep: Path) -> None:
    command = [sys.executable, "-m", "m31r_train.cli", "sweep", str(sweep)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    output = sweep.parent / "sweep"
    while not list(output.glob("*/step-*")) and process.poll() is None:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert main(["sweep", str(sweep)]) == 0
    killed = report(sweep)["runs"]

    straight = sweep.parent / "straight"
    assert main(["sweep", str(sweep), "--set", f"output={straight}"]) == 0
    whole = json.loads((straight / "sweep.json").read_text())["runs"]
    assert isinstance(killed, list)
    assert [run["valid_loss"] for run in killed] == [run["valid_loss"] for run in whole]


def test_a_run_that_could_not_start_stops_the_sweep_before_the_first(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = 'variants=[{name="x", set=["optimiser.muon_rat=1"]}]'
    assert main(["sweep", str(sweep), "--set", wrong]) == 2
    assert "unknown key 'optimiser.muon_rat'" in capsys.readouterr().err
    assert main(["sweep", str(sweep), "--set", "batch_tokens=[300]"]) == 2
    assert "'plan.batch_tokens' must be a multiple" in capsys.readouterr().err
    assert main(["sweep", str(sweep), "--set", 'proxies=[{name="a"}, {name="a"}]']) == 2
    assert "'proxies': every name once" in capsys.readouterr().err
    assert not (sweep.parent / "sweep").exists()


def test_a_grid_of_sizes_and_batches_gives_its_law_back(sweep: Path) -> None:
    config = load_toml(
        sweep,
        SweepConfig,
        [
            'proxies=[{name="narrow"}, {name="wide", set=["model.hidden_size=128"]}]',
            "batch_tokens=[256, 512]",
            "seeds=[0, 1]",
            'rates=[{key="optimiser.muon_rate", values=[0.0025, 0.005, 0.01, 0.02, 0.04, 0.08]}]',
        ],
    )
    cells = list(plan_cells(config))
    assert len({cell.folder for cell in cells}) == 2 * 2 * (2 * 6 + 1)
    for cell in cells:
        assert cell.config.plan.steps == 1024 // cell.batch_tokens

    def best(size: float, batch: float) -> float:
        return float(0.02 * (size / 1e5) ** -0.5 * (batch / 256) ** 0.4)

    outcomes = {}
    for cell in cells:
        middle = best(cell.config.model.parameters, cell.batch_tokens)
        far = math.log(cell.config.optimiser.muon_rate / middle)
        outcomes[cell.folder] = Outcome(2.0 + 0.1 * far**2 + 0.001 * cell.seed, 1.0)
    target = load_toml(config.base, TrainConfig, ["model.hidden_size=512"])
    target = replace(target, plan=replace(target.plan, batch_tokens=4096))
    write_report(config, cells, outcomes, target)
    found = report(sweep)
    assert found["noise"] == pytest.approx(0.001 / math.sqrt(2))
    said = found["extrapolated"]
    curves = found["curves"]
    assert isinstance(curves, list)
    assert [curve["best"]["verdict"] for curve in curves] == ["inside"] * 4
    expected = best(target.model.parameters, 4096)
    assert json.dumps(said).startswith(f'{{"optimiser.muon_rate": "{expected:.3g} (x/ 1.0')


def test_without_optima_inside_it_does_not_extrapolate(sweep: Path) -> None:
    config = load_toml(sweep, SweepConfig)
    cells = list(plan_cells(config))
    outcomes = {cell.folder: Outcome(3.0 - cell.config.optimiser.muon_rate, 1.0) for cell in cells}
    shown = write_report(config, cells, outcomes, None)
    assert "noise between seeds: unknown, every setting ran once" in shown
    curves = report(sweep)["curves"]
    assert isinstance(curves, list)
    assert curves[0]["best"]["verdict"] == "edge"
    assert extrapolate([], load_toml(config.base, TrainConfig)) == {}


def test_the_configuration_that_comes_along_shows_every_default() -> None:
    path = Path(__file__).parents[2] / "configs" / "train" / "sweep.toml"
    config = load_toml(path, SweepConfig)
    names = {field.name for field in dataclasses.fields(SweepConfig)}
    assert names == tomllib.loads(path.read_text()).keys()
    for change in (*config.proxies, *config.variants):
        nano = path.with_name("nano.toml")
        assert load_toml(nano, TrainConfig, [*config.set, *change.set]) != load_toml(
            nano, TrainConfig, config.set
        )
