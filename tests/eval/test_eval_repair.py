"""Repair tasks through the whole command: real rustc, real sandbox, real engine."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.eval.runs import metrics, results

from m31r_core.cargo.program import Program
from m31r_core.cargo.sandbox import Limits, SandboxError, find_sandbox
from m31r_core.cargo.toolchain import find_toolchain
from m31r_core.config import load_toml
from m31r_core.repair.search import RepairLimits
from m31r_eval.cli import main
from m31r_eval.converting import read_pairs, unhide, wrap_in_main
from m31r_eval.repair_running import summarise_repairs
from m31r_eval.repair_tasks import MAIN, RepairTask, read_repair_tasks
from m31r_eval.rustc_only import apply_suggestions
from m31r_eval.settings import Settings
from m31r_eval.tasks import write_tasks
from m31r_eval.workers import Failed, work_on

CONFIG = Path(__file__).parents[2] / "configs" / "eval" / "repair.toml"
SHARED = Path(os.environ.get("M31R_SHARED", Path(__file__).parents[3] / "shared")) / "bench"
PUBLIC = ("rust-by-practice_pairs.jsonl", "rustc_error_code_pairs.jsonl")

GREETING = """fn greet(name: String) -> String {
    format!("hello {name}")
}

fn main() {
    let name: String = "Ada";
    println!("{}", greet(name));
}
"""
GREETING_FIXED = GREETING.replace('"Ada"', '"Ada".to_string()')
DOUBLE = "pub fn double(x: u32) -> u32 {\n    x * 2;\n}\n"
CLEAN = "fn main() {\n    assert_eq!(1 + 1, 3);\n}\n"
TASKS = [
    RepairTask("greeting", "2021", {MAIN: GREETING}, None, GREETING_FIXED),
    RepairTask(
        "tested",
        "2021",
        {"src/lib.rs": DOUBLE},
        "#[test] fn doubles() { assert_eq!(double(2), 4); }",
        DOUBLE.replace("2;", "2"),
    ),
    RepairTask(
        "fails its tests",
        "2021",
        {"src/lib.rs": DOUBLE},
        "#[test] fn doubles() { assert_eq!(double(2), 5); }",
    ),
    RepairTask("clean", "2021", {MAIN: CLEAN}, None, CLEAN.replace("3", "2")),
    RepairTask("hopeless", "2021", {MAIN: "fn main( { ] ) }}} struct\n"}),
]


@pytest.fixture(scope="module", autouse=True)
def needs_a_sandbox() -> None:
    try:
        find_sandbox(require=True)
    except SandboxError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def tasks_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tasks") / "tasks.jsonl"
    write_tasks(path, TASKS)
    return path


def repair(tasks: Path, out: Path, *more: str) -> int:
    short = ["--config", str(CONFIG), "--checks", "30", "--seconds", "60"]
    return main(["repair", str(tasks), "--out", str(out), *short, *more])


@pytest.fixture(scope="module")
def run(tasks_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    assert repair(tasks_path, out) == 0
    return out


def test_a_repaired_program_compiles_runs_and_is_shown(run: Path) -> None:
    record = results(run)["greeting"]
    assert record["errors_before"] == [{"code": "E0308", "message": "mismatched types"}]
    assert record["errors_after"] == []
    assert (record["fixed"], record["solved"], record["runs"]) == (1, 1, True)
    assert record["edit_similarity"] > record["edit_similarity_before"]
    assert '+    let name: String = "Ada"' in record["diff"]
    assert record["repaired"][MAIN] in record["repaired"].values()
    assert record["sources"]
    assert record["baseline"]["fixed"] == 1
    assert record["timings_s"]["first_fix"] <= record["timings_s"]["total"]


def test_tests_decide_beside_the_compiler(run: Path) -> None:
    found = results(run)
    assert (found["tested"]["passes"], found["tested"]["fixed"]) == (True, 1)
    failing = found["fails its tests"]
    assert (failing["compiles"], failing["passes"], failing["fixed"]) == (True, False, 0)


def test_what_compiles_from_the_start_stands_apart(run: Path) -> None:
    record = results(run)["clean"]
    assert record["broken_at_start"] == 0
    assert (record["compiles"], record["runs"], record["solved"]) == (True, False, 0)
    summary = metrics(run)
    assert summary["n"] == 4
    assert summary["fixed"] == 0.5
    assert summary["clean_at_start"] == {"n": 1, "solved": 0}
    assert summary["all"]["n"] == 5
    assert summary["all"]["solved"] == 0.4


def test_metrics_say_what_ran(run: Path, tasks_path: Path) -> None:
    summary = metrics(run)
    assert re.fullmatch("[0-9a-f]{64}", summary["tasks_sha256"])
    assert summary["sandboxed"] is True
    assert summary["limits"]["total"] == 30
    assert summary["by_code"]["E0308"] == {"n": 3, "fixed": 2, "baseline": 2}
    assert sum(row["alone"] for row in summary["by_source"].values()) <= 2
    assert summary["references"] == {"n": 3, "compile": 3, "run": 2}
    assert summary["crashed"] == 0
    for name in ("fixed", "solved", "edit_similarity"):
        low, high = summary["ci95"][name]
        assert low <= summary[name] <= high
        assert name in summary["baseline"]


def test_the_same_inputs_give_the_same_bytes(run: Path, tasks_path: Path, tmp_path: Path) -> None:
    assert repair(tasks_path, tmp_path, "--workers", "1") == 0
    for name in ("results.jsonl", "metrics.json"):
        assert untimed(tmp_path / name) == untimed(run / name)


def untimed(path: Path) -> list[object]:
    text = path.read_text()
    parts = text.splitlines() if path.suffix == ".jsonl" else [text]
    loaded = [json.loads(part) for part in parts]
    for each in loaded:
        assert each.pop("timings_s")
    return loaded


def test_runs_are_compared(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(run), str(run)]) == 0
    table = capsys.readouterr().out
    for word in ("fixed", "solved", "edit similarity"):
        assert word in table
    worse = tmp_path / "worse"
    worse.mkdir()
    (worse / "metrics.json").write_bytes((run / "metrics.json").read_bytes())
    lines = [{**record, "fixed": 0, "solved": 0} for record in results(run).values()]
    # Every task that was repaired no longer is, often enough to be no accident.
    better = [{**line, "id": f"{line['id']} {i}", "fixed": 1} for i in range(9) for line in lines]
    (worse / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in better))
    worst = tmp_path / "worst"
    worst.mkdir()
    (worst / "metrics.json").write_bytes((run / "metrics.json").read_bytes())
    text = "".join(json.dumps({**line, "fixed": 0}) + "\n" for line in better)
    (worst / "results.jsonl").write_text(text)
    assert main(["compare", str(worse), str(worst)]) == 1
    assert "worse" in capsys.readouterr().out


def test_a_killed_run_goes_on(
    tasks_path: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "import sys; from m31r_eval.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["repair", str(tasks_path), "--out", str(tmp_path), "--workers", "1"]
    short = ["--config", str(CONFIG), "--checks", "30", "--seconds", "60"]
    process = subprocess.Popen([sys.executable, "-c", command, *arguments, *short])
    partial = tmp_path / "results.partial.jsonl"
    for _ in range(1_200):
        if process.poll() is not None or (
            partial.exists() and partial.read_bytes().count(b"\n") > 1
        ):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert partial.exists()
    with partial.open("a") as lines:
        lines.write('{"id": "half a li')
    assert repair(tasks_path, tmp_path) == 0
    assert re.search(r"repair: [1-4] tasks were done before", capsys.readouterr().out)
    assert untimed(tmp_path / "results.jsonl") == untimed(run / "results.jsonl")
    assert not partial.exists()


def test_a_run_with_other_limits_starts_anew(
    tasks_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results.partial.jsonl").write_text('{"run": "another"}\n{"id": "greeting"}\n')
    assert repair(tasks_path, tmp_path, "--limit", "1") == 0
    assert "done before" not in capsys.readouterr().out
    assert results(tmp_path)["greeting"]["fixed"] == 1


def test_settings_are_spelled_out() -> None:
    assert load_toml(CONFIG, Settings) == Settings()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"id": "a", "edition": "2021", "files": {"other.rs": ""}}', "must hold src/main.rs"),
        ('{"id": "a", "edition": "2021", "files": {"src/main.rs": 1}}', "an object of texts"),
        ('{"id": "a", "edition": "2020", "files": {"src/main.rs": ""}}', "'edition' must be"),
        ('{"id": "a", "edition": "2021", "files": {"src/main.rs": ""}, "tests": 1}', "'tests'"),
        ("[]", "a task is a JSON object"),
    ],
)
def test_a_wrong_task_is_named(
    line: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text(line + "\n")
    assert main(["repair", str(path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert f"{path}:1: " in said
    assert complaint in said


ODD = """
import os, signal, time

def open_odd(setup):
    def do(task):
        if task == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if task == "hang":
            time.sleep(1_000)
        if task == "raise":
            raise ValueError("told to")
        return f"{setup} {task}"
    return do
"""


def test_what_hangs_or_crashes_is_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd_worker.py").write_text(ODD)
    monkeypatch.syspath_prepend(tmp_path)
    open_odd = importlib.import_module("odd_worker").open_odd
    tasks = ["a", "crash", "hang", "raise", "b", "c"]
    done = {
        each.task: each.result for each in work_on(tasks, open_odd, "done", workers=2, seconds=8.0)
    }
    assert [done[name] for name in "abc"] == ["done a", "done b", "done c"]
    assert done["crash"] == Failed(f"its process ended with {-signal.SIGSEGV}")
    assert done["hang"] == Failed("no answer within 8 s")
    assert done["raise"] == Failed("ValueError: told to")


def test_rustcs_suggestions_alone() -> None:
    two = GREETING.replace("greet(name)", "greet(nme)")
    with Program({MAIN: two.encode()}, sandbox=None) as program:
        done = apply_suggestions(program, RepairLimits(seconds=60))
        assert done.errors == ()
        assert b'"Ada".to_string()' in done.changes[MAIN]
        assert b"greet(name)" in done.changes[MAIN]
        limited = apply_suggestions(program, RepairLimits(seconds=60, total=1))
        assert (limited.checks, limited.finished) == (1, False)
        assert len(limited.errors) == 1


def test_snippets_are_wrapped_as_rustdoc_does_it() -> None:
    assert wrap_in_main("let x = 1;") == "fn main() {\nlet x = 1;\n}\n"
    whole = "// fn main() is below\nfn main() {}\n"
    assert wrap_in_main(whole) == whole
    # A comment or a nested function is no main.
    assert wrap_in_main("// no fn main()\nlet x = 1;").startswith("fn main() {\n// no fn main()")
    assert wrap_in_main("mod a { fn main() {} }").startswith("fn main() {\nmod a")
    assert wrap_in_main("#![allow(unused)]\nextern crate core;\nlet x = 1;") == (
        "#![allow(unused)]\nextern crate core;\nfn main() {\nlet x = 1;\n}\n"
    )
    # What does not parse has a main when a line says so.
    broken = "fn main() {\n    let x = ;\n"
    assert wrap_in_main(broken) == broken


def test_hidden_lines_are_shown() -> None:
    assert unhide("# use a::b;\n  # c();\n#\n## not\n#![x]\nd();") == (
        "use a::b;\n  c();\n\n# not\n#![x]\nd();"
    )


def test_pairs_become_tasks(tmp_path: Path) -> None:
    pairs = [
        {"id": "a", "broken": "let x: u8 = 1u16;", "fixed": "let x = 1;", "kind": "fix"},
        {"id": "b", "broken": "", "fixed": "", "kind": "blank"},
    ]
    pairs[0]["wrap_in_main_if_no_fn_main"] = pairs[0]["unhide_hash_lines"] = True  # type: ignore[assignment]
    source, out = tmp_path / "pairs.jsonl", tmp_path / "tasks.jsonl"
    source.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    assert main(["convert-repair", str(source), "--out", str(out)]) == 0
    (task,) = read_repair_tasks(out).tasks
    assert task.files == {MAIN: "fn main() {\nlet x: u8 = 1u16;\n}\n"}
    assert task.fixed == "fn main() {\nlet x = 1;\n}\n"
    assert (task.edition, task.tests) == ("2021", None)


def test_no_tasks_at_all_give_zeros() -> None:
    summary = summarise_repairs([], resamples=10, seed=0)
    assert summary["n"] == 0
    assert summary["fixed"] == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLIC)
def test_the_public_references_compile(name: str) -> None:
    """Nothing that the converters do to a reference makes it fail."""
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"{path} is missing; M31R_SHARED names its folder")
    toolchain = find_toolchain()
    sandbox = find_sandbox(Limits(), toolchain=toolchain.sysroot, require=True)

    def complaints(task: RepairTask) -> list[str]:
        assert task.fixed is not None
        with Program(
            {MAIN: task.fixed.encode()},
            edition=task.edition,
            sandbox=sandbox.fresh(),
            toolchain=toolchain,
            lanes=1,
        ) as program:
            return [f"{task.id}: {error.message}" for error in program.errors]

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        assert [said for found in pool.map(complaints, read_pairs(path)) for said in found] == []
