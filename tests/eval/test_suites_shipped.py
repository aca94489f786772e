"""The task files in the repository, the gate, and that training never sees them."""

from __future__ import annotations

import json
import lzma
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from m31r_core.config import load_toml
from m31r_core.errors import ConfigError
from m31r_core.syntax import parse
from m31r_data.config import DataConfig
from m31r_data.split import split_of
from m31r_eval.cli import main
from m31r_eval.commands.suite import Plan
from m31r_eval.measures import crate_of
from m31r_eval.repair_tasks import read_repair_tasks
from m31r_eval.settings import Settings
from m31r_eval.suites.code import text_of, walk
from m31r_eval.suites.cutting import NAMES
from m31r_eval.suites.repairs import OWNERSHIP
from m31r_eval.tasks import read_tasks
from m31r_eval.traces import read_traces

ROOT = Path(__file__).parents[2]
SUITES = ROOT / "eval" / "suites"
CONFIGS = ROOT / "configs" / "eval"
LEAST = {"line": 200, "block": 200, "body": 200, "api": 100, "token": 100, "context": 50}


@pytest.mark.parametrize("kind", LEAST)
def test_there_are_tasks_enough_of_many_crates_and_lengths(kind: str) -> None:
    found = read_tasks(SUITES / f"{kind}.jsonl.xz")
    assert len(found.tasks) == found.header["n"] >= LEAST[kind]
    crates = Counter(crate_of(task.path) for task in found.tasks)
    assert set(crates) <= set(found.header["crates"])
    assert len(crates) >= 10
    assert max(crates.values()) <= 0.2 * len(found.tasks)
    assert len({task.middle for task in found.tasks}) == len(found.tasks)
    assert all(task.middle.rstrip() == task.middle for task in found.tasks)
    assert all(bool(task.context) == (kind == "context") for task in found.tasks)
    for task in found.tasks:
        for chunk in task.context:
            # What the line begins with stands in the other file, and nowhere in this one.
            name = re.match(r"\w+", task.middle)
            assert name is not None
            assert name.group() in chunk.text
            whole = (task.prefix + task.middle + task.suffix).encode()
            names = [text_of(node) for node in walk(parse(whole).root_node) if node.type in NAMES]
            assert names.count(name.group()) == 1


def test_there_are_repairs_enough_of_every_kind() -> None:
    repairs = read_repair_tasks(SUITES / "repair.jsonl.xz")
    ownership = read_repair_tasks(SUITES / "ownership.jsonl.xz")
    assert len(repairs.tasks) >= 150
    assert len(ownership.tasks) >= 150
    assert len(OWNERSHIP) == 9
    for task in (*repairs.tasks, *ownership.tasks):
        assert task.crate in repairs.header["crates"]
        assert list(task.files.values()) != [task.fixed]
    assert not {task.id for task in repairs.tasks} & {task.id for task in ownership.tasks}


def test_what_is_evaluated_with_is_kept_from_training() -> None:
    """A package's split is a hash of its name: no data configuration can train on these."""
    crates = read_tasks(SUITES / "line.jsonl.xz").header["crates"]
    assert list(crates) == list(load_toml(CONFIGS / "suites.toml", Settings).suites.crates)
    configurations = sorted((ROOT / "configs" / "data").glob("*.toml"))
    assert configurations
    for path in configurations:
        splits = load_toml(path, DataConfig).splits
        for crate in crates:
            assert split_of(crate.rpartition("-")[0], splits) != "train", (path, crate)


def test_the_traces_are_of_real_sessions() -> None:
    traces = read_traces(SUITES / "traces.jsonl.xz")
    assert len(traces.tasks) == traces.header["n"] >= 5
    for trace in traces.tasks:
        assert trace.asks >= 10
        assert sum(event.change is not None for event in trace.events) > trace.asks / 2


@pytest.mark.parametrize("name", ["all.toml", "gate.toml"])
def test_plans_name_files_that_are_there(name: str) -> None:
    plan = load_toml(CONFIGS / name, Plan)
    folder = CONFIGS / plan.folder
    for run in plan.runs:
        assert (folder / run.tasks).is_file(), run
    assert plan.crates is not None
    assert (folder / plan.crates).is_file()
    if name == "gate.toml":
        for run in plan.runs:
            assert (ROOT / "eval" / "gate" / run.name / "results.jsonl").is_file(), run.name


def test_a_plan_without_names_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text('[[runs]]\nname = "a"\nsuite = "complete"\ntasks = "x"\n' * 2)
    with pytest.raises(ConfigError, match="each with a name of its own"):
        load_toml(path, Plan)


@pytest.fixture
def small_gate(tmp_path: Path) -> Path:
    """A plan of one run over twelve of the tasks that ship."""
    plan = tmp_path / "gate.toml"
    plan.write_text(
        f'folder = "{SUITES}"\n\n[[runs]]\nname = "token"\nsuite = "complete"\n'
        'tasks = "token.jsonl.xz"\nlimit = 12\nthreshold = 0.02\n'
    )
    return plan


def test_the_gate_lets_pass_what_is_as_good_and_stops_what_fell(
    small_gate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tmp_path / "before"
    run = ["suites", str(small_gate), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert main([*run, "--model", "reference", "--keep", str(before)]) == 0
    assert main([*run, "--model", "reference", "--against", str(before)]) == 0
    said = capsys.readouterr().out
    assert "$ m31r-eval complete" in said
    assert "worse" not in said
    assert main([*run, "--model", "empty", "--against", str(before)]) == 1
    assert f"worse than {before}: token" in capsys.readouterr().out
    # Better is not worse.
    assert main([*run, "--model", "empty", "--keep", str(before)]) == 0
    assert main([*run, "--model", "reference", "--against", str(before)]) == 0


def test_without_a_sandbox_the_other_runs_go_on(
    small_gate: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with small_gate.open("a") as plan:
        plan.write('\n[[runs]]\nname = "programs"\nsuite = "generate"\ntasks = "generate.jsonl"\n')
    # As on a machine without bubblewrap.
    kept = tmp_path / "bin"
    kept.mkdir()
    for name in ("prlimit", "nice", "env", "sh", "setpriv", "cargo", "rustc", "unshare", "true"):
        if (found := shutil.which(name)) is not None:
            (kept / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(kept))
    run = ["suites", str(small_gate), "--out", str(tmp_path / "out"), "--model", "empty"]
    assert main(run) == 0
    said = capsys.readouterr()
    assert "programs: LEFT OUT: bubblewrap (bwrap) not found" in said.err
    assert (tmp_path / "out" / "token" / "metrics.json").is_file()


def test_a_gate_without_numbers_is_an_error(
    small_gate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["suites", str(small_gate), "--out", str(tmp_path / "out"), "--model", "empty"]
    assert main([*run, "--against", str(tmp_path / "nothing")]) == 2
    assert "nothing/token/metrics.json" in capsys.readouterr().err
    assert main([*run, "--only", "other"]) == 2
    assert "no run is called 'other'" in capsys.readouterr().err


def test_the_numbers_of_the_gate_are_of_the_bundle_that_ships() -> None:
    model = json.loads((ROOT / "models" / "nano" / "m31r.json").read_text())["model_id"]
    for path in sorted((ROOT / "eval" / "gate").glob("*/metrics.json")):
        kept: dict[str, Any] = json.loads(path.read_text())
        assert kept["model_id"] in (model, None), path
        assert kept["crashed"] == 0, path


def test_suite_files_are_read_packed_or_not(tmp_path: Path) -> None:
    packed = SUITES / "context.jsonl.xz"
    plain = tmp_path / "context.jsonl"
    plain.write_bytes(lzma.decompress(packed.read_bytes()))
    assert read_tasks(plain).sha256 == read_tasks(packed).sha256
    assert read_tasks(plain) == read_tasks(packed)
    broken = tmp_path / "broken.jsonl.xz"
    shutil.copy(plain, broken)
    with pytest.raises(ConfigError, match=r"broken\.jsonl\.xz: not an \.xz file"):
        read_tasks(broken)
