"""Programs that are written, compiled and run, hostile ones among them."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.eval.runs import SHARED, kill_after, metrics, need_a_sandbox, results, untimed

from m31r_eval.cli import main
from m31r_eval.converting import read_programs
from m31r_eval.generate_tasks import (
    GenerateTask,
    cut_body,
    end_of_body,
    read_generate_tasks,
)
from m31r_eval.generating import sample_seed
from m31r_eval.tasks import write_tasks

HEAD = "/// Returns twice the number.\nfn double(x: u32) -> u32 {\n"
TESTS = "}\n\nfn main() {\n    assert_eq!(double(4), 8);\n}\n"
TASKS = [
    GenerateTask("double", HEAD, TESTS, solution="    x * 2\n"),
    GenerateTask(
        "tested",
        "fn half(x: u32) -> u32 ",
        "\n#[cfg(test)]\nmod tests { #[test] fn main() { assert_eq!(super::half(4), 2); } }",
        solution="{ x / 2 }",
    ),
    GenerateTask("unknown", HEAD, TESTS.replace("8", "12")),
]


@pytest.fixture(scope="module", autouse=True)
def sandboxed() -> None:
    need_a_sandbox()


@pytest.fixture(scope="module")
def tasks_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tasks") / "tasks.jsonl"
    write_tasks(path, TASKS)
    return path


def generate(tasks: Path, out: Path, *more: str) -> int:
    return main(["generate", str(tasks), "--out", str(out), *more])


def test_references_pass_and_nothing_does_not(tasks_path: Path, tmp_path: Path) -> None:
    models = ["--model", "reference", "--beside", "empty"]
    assert generate(tasks_path, tmp_path, *models, "--samples", "10", "--limit", "2") == 0
    summary = metrics(tmp_path)
    assert summary["pass@1"] == summary["pass@10"] == summary["compile_rate"] == 1.0
    empty = summary["baselines"]["empty"]
    assert empty["pass@1"] == empty["pass@10"] == empty["compile_rate"] == 0.0
    assert summary["references"] == {"n": 2, "pass": 2}
    assert summary["verdicts"] == {"passes": 20}


@pytest.fixture(autouse=True)
def temporary_files_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what an evaluation starts be told from what others do on this machine."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def judged(completion: str, tmp_path: Path, *more: str) -> dict[str, Any]:
    """What becomes of a completion: it is the task's own solution."""
    path = tmp_path / "tasks.jsonl"
    write_tasks(path, [GenerateTask("one", HEAD, TESTS, solution=completion)])
    settings = tmp_path / "generate.toml"
    settings.write_text("[generate]\nsamples = 1\nrun_s = 3.0\nbuild_s = 10.0\n")
    arguments = ["--model", "reference", "--config", str(settings), *more]
    assert generate(path, tmp_path / "out", *arguments) == 0
    assert metrics(tmp_path / "out")["pass@1"] == float(
        results(tmp_path / "out")["one"]["samples"][0]["verdict"] == "passes"
    )
    sample: dict[str, Any] = results(tmp_path / "out")["one"]["samples"][0]
    return sample


@pytest.mark.parametrize(
    ("completion", "verdict"),
    [
        ("    x * 2\n", "passes"),
        ("    x * 3\n", "fails its tests"),
        ("    y * 2\n", "does not compile"),
        ("   \n", "empty"),
        # What comes behind the function's end is not the model's to write.
        ("    x * 2\n}\nfn main() {}\n", "passes"),
    ],
)
def test_tests_decide(completion: str, verdict: str, tmp_path: Path) -> None:
    assert judged(completion, tmp_path)["verdict"] == verdict


# The attack itself: each would leave a trace that the test can see.
HOSTILE = {
    "infinite loop": "    loop {}\n",
    "fork bomb": """    loop {
        let _ = std::process::Command::new("/proc/self/exe").spawn();
        let _ = std::thread::Builder::new().spawn(|| loop {});
    }
""",
    "removes everything": """    for path in ["/", "CANARY"] {
        let _ = std::fs::remove_dir_all(path);
    }
    let _ = std::fs::write("CANARY/written", "here");
    0
""",
    "socket": """    let sent = std::net::TcpStream::connect("127.0.0.1:PORT").is_ok();
    if sent { 8 } else { 0 }
""",
    "allocates 10 GB": """    let mut all = vec![1u8; 10 << 30];
    for i in (0..all.len()).step_by(4096) { all[i] = 2; }
    all.len() as u32
""",
    "endless output": '    loop { println!("{}", "a".repeat(1 << 16)); }\n',
    "endless constant": "    const N: u32 = { let mut n = 0; loop { n += 1; } n };\n    N\n",
    "reads the machine's files": """    let read = std::fs::read_to_string("CANARY/secret");
    if read.is_ok() { 8 } else { 0 }
""",
    "exits as if all were well": "    std::process::exit(if x == 4 { 3 } else { 3 })\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_programs_harm_nothing_and_count_as_failures(name: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "secret").write_text("opensesame")
    canary.chmod(0o777)
    before = psutil.virtual_memory().available
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = str(server.getsockname()[1])
        text = HOSTILE[name].replace("CANARY", str(canary)).replace("PORT", port)
        reached = threading.Event()
        over = threading.Event()

        def listen() -> None:
            while not over.is_set():
                try:
                    server.accept()
                except TimeoutError:
                    continue
                except OSError:
                    return
                reached.set()

        listener = threading.Thread(target=listen)
        listener.start()
        try:
            verdict = judged(text, tmp_path)["verdict"]
        finally:
            over.set()
            listener.join()
    assert verdict in {"fails its tests", "runs too long", "breaks a limit", "does not compile"}
    assert (canary / "secret").read_text() == "opensesame"
    assert sorted(path.name for path in canary.iterdir()) == ["secret"]
    assert not reached.is_set()
    # Nothing of it is left: no process, no memory.
    end = time.monotonic() + 10
    while leftovers(tmp_path) and time.monotonic() < end:
        time.sleep(0.1)
    assert leftovers(tmp_path) == []
    assert psutil.virtual_memory().available > before - (2 << 30)


def leftovers(folder: Path) -> list[str]:
    """Programs below `folder` that still run."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(
            "m31r-program-" in word and str(folder) in word for word in command
        ):
            found.append(" ".join(command))
    return found


def test_two_runs_draw_the_same_and_a_killed_one_goes_on(
    tasks_path: Path, bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = tmp_path / "short.toml"
    short.write_text("[generate]\nsamples = 3\nmax_new_tokens = 24\n")
    model = ["--model", str(bundle_path), "--config", str(short)]
    assert generate(tasks_path, tmp_path / "a", *model) == 0
    assert generate(tasks_path, tmp_path / "b", *model, "--workers", "1") == 0
    assert untimed(tmp_path / "a") == untimed(tmp_path / "b")
    assert generate(tasks_path, tmp_path / "c", *model, "--seed", "1") == 0
    texts = [
        [sample["completion"] for record in results(tmp_path / name).values()
         for sample in record["samples"]]
        for name in ("a", "c")
    ]  # fmt: skip
    assert texts[0] != texts[1]
    killed = tmp_path / "killed"
    arguments = ["generate", str(tasks_path), "--out", str(killed), *model, "--workers", "1"]
    kill_after(arguments, killed, records=1)
    capsys.readouterr()
    assert generate(tasks_path, killed, *model) == 0
    assert "tasks were done before" in capsys.readouterr().out
    assert untimed(killed) == untimed(tmp_path / "a")


def test_every_sample_has_a_seed_of_its_own() -> None:
    seeds = {sample_seed(seed, task, i) for seed in (0, 1) for task in "ab" for i in range(10)}
    assert len(seeds) == 40
    assert sample_seed(0, "a", 3) == sample_seed(0, "a", 3)


BODIES = st.text(alphabet="ab{}()\n \"'/", max_size=40)


@given(BODIES)
def test_a_body_ends_where_its_brackets_say(text: str) -> None:
    for task in TASKS[:2]:
        cut = cut_body(task, text)
        assert text.startswith(cut)
        assert cut_body(task, cut) == cut
        if end_of_body(task, text) is None:
            assert cut == text


def test_the_end_is_before_or_behind_the_bracket_as_the_tests_have_it() -> None:
    double, half, _ = TASKS
    assert cut_body(double, "    if x { 1 } else { 2 }\n}\nfn f() {}") == (
        "    if x { 1 } else { 2 }\n"
    )
    assert cut_body(half, "{ x / 2 }\n\nlet y = 1;") == "{ x / 2 }"
    helped = "{ two(x) }\n\n/// Halves.\nfn two(x: u32) -> u32 { x / 2 }"
    assert cut_body(half, helped + "\n\nfn main() {}") == helped
    assert cut_body(half, helped + "\n\nfn three(") == helped
    assert end_of_body(half, "{ x / (2") is None
    assert cut_body(double, '    "}"; x }') == '    "}"; x '


def test_the_tasks_that_ship_are_solved_by_their_solutions() -> None:
    path = Path(__file__).parents[2] / "eval" / "suites" / "generate.jsonl"
    tasks = read_generate_tasks(path)
    assert len(tasks.tasks) == tasks.header["n"] >= 40
    assert all(task.solution for task in tasks.tasks)
    assert all(cut_body(task, task.solution or "") == task.solution for task in tasks.tasks)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("[]", "a task is a JSON object"),
        ('{"id": "a", "prompt": "", "tests": ""}', "missing key 'edition'"),
        ('{"id": "a", "prompt": "", "tests": "", "edition": "1999"}', "'edition' must be"),
        ('{"id": "a", "prompt": "", "tests": "", "edition": "2021", "solution": 1}', "'solution'"),
    ],
)
def test_a_wrong_task_is_named(
    line: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text(line + "\n")
    assert generate(path, tmp_path / "out", "--model", "empty") == 2
    said = capsys.readouterr().err
    assert f"{path}:1: " in said
    assert complaint in said


def test_public_benchmarks_are_converted(tmp_path: Path) -> None:
    multipl_e = {"name": "m", "prompt": HEAD, "test": TESTS, "stop_tokens": ["\n}"]}
    mceval = {
        "task_id": "Rust/6",
        "prompt": "fn half(x: u32) -> u32 ",
        "canonical_solution": "{ x / 2 }",
        "test": "#[cfg(test)]\nmod tests { #[test] fn main() {} }",
    }
    for content, name in ((multipl_e, "m"), (mceval, "Rust/6")):
        source, out = tmp_path / "source.jsonl", tmp_path / "tasks.jsonl"
        source.write_text(json.dumps(content) + "\n")
        assert main(["convert", str(source), "--out", str(out)]) == 0
        (task,) = read_generate_tasks(out).tasks
        assert task.id == name
        assert task.has_test_functions == (name == "Rust/6")
        assert task.closes_in_tests == (name == "m")
    source.write_text('{"something": "else"}\n')
    assert main(["convert", str(source), "--out", str(out)]) == 2


@pytest.mark.slow
def test_the_solutions_of_mceval_pass(tmp_path: Path) -> None:
    source = SHARED / "bench" / "mceval_rust.jsonl"
    if not source.is_file():
        pytest.skip(f"{source} is missing; M31R_SHARED names its folder")
    tasks = tmp_path / "tasks.jsonl"
    write_tasks(tasks, read_programs(source))
    models = ["--model", "reference", "--samples", "1"]
    assert generate(tasks, tmp_path / "out", *models) == 0
    summary = metrics(tmp_path / "out")
    assert (summary["n"], summary["pass@1"]) == (48, 1.0)
