"""doctor, complete and demo, as a shell runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from m31r_lsp.cli import main

ROOT = Path(__file__).parents[2]
Run = Callable[..., "Done"]


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def shell(bundle_path: Path, tmp_path: Path) -> Run:
    """Run m31r-lsp as a shell does, with a real bundle, in a temporary folder."""

    def run_it(*arguments: str, **environment: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "m31r_lsp", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "M31R_MODEL": str(bundle_path), "COLUMNS": "200", **environment},
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run_it


@pytest.fixture
def run(
    bundle_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run m31r-lsp in this process, which saves the time that a start takes."""
    monkeypatch.setenv("M31R_MODEL", str(bundle_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def run_it(*arguments: str) -> Done:
        try:
            code = main(arguments)
        except SystemExit as error:
            code = int(error.code or 0)
        return Done(code, *capsys.readouterr())

    return run_it


@pytest.fixture
def crate(tmp_path: Path) -> Path:
    """A copy of the crate under examples/ where the model may say what it likes."""
    folder = tmp_path / "crate"
    shutil.copytree(ROOT / "examples", folder, ignore=shutil.ignore_patterns("target"))
    (folder / "m31r.toml").write_text("[completion]\nmin_confidence = 0.0\n")
    return folder


def test_complete(run: Run, crate: Path) -> None:
    done = run("complete", f"{crate}/src/lib.rs:4:1")
    assert done.returncode == 0, done.stderr
    assert bool(done.stdout.strip()) != ("no completion" in done.stderr)
    as_json = json.loads(run("complete", f"{crate}/src/lib.rs:4:1", "--json").stdout)
    assert as_json["text"] == done.stdout.rstrip("\n")
    assert 0 <= as_json["confidence"] <= 1
    assert as_json["latency_ms"] > 0


def test_complete_verifies_with_cargo(run: Run, crate: Path) -> None:
    if shutil.which("cargo") is None:
        pytest.skip("cargo is not installed")
    for line in range(40, 90):
        where = f"{crate}/src/lib.rs:{line}:1"
        answer = json.loads(run("complete", where, "--json").stdout)
        if answer["text"]:
            answer = json.loads(run("complete", where, "--json", "--verify").stdout)
            assert answer["verified"] == (answer["new_errors"] == [])
            return
    pytest.fail("the model is silent everywhere")


@pytest.mark.parametrize(
    ("place", "code", "says"),
    [
        ("nowhere.rs:1:1", 1, "nowhere.rs: No such file"),
        ("latin1.rs:1:1", 1, "latin1.rs: not UTF-8 at byte 3"),
        ("short.rs:9:1", 2, "line 9 is past the end, line 2"),
        ("short.rs:1:99", 2, "column 99 is past the end, column 13"),
        ("short.rs:0:1", 2, "FILE:LINE:COL"),
        ("short.rs", 2, "FILE:LINE:COL"),
        ("short.rs:a:b", 2, "FILE:LINE:COL"),
    ],
)
def test_complete_says_what_is_wrong(
    run: Run, tmp_path: Path, place: str, code: int, says: str
) -> None:
    (tmp_path / "latin1.rs").write_bytes(b"// \xe9t\xe9\n")
    (tmp_path / "short.rs").write_text("fn main() {}\n")
    done = run("complete", place)
    assert done.returncode == code
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_wrong_key_in_the_workspace(run: Run, crate: Path) -> None:
    (crate / "m31r.toml").write_text("[completion]\nmax_new_token = 3\n")
    done = run("complete", f"{crate}/src/lib.rs:1:1")
    assert done.returncode == 2
    assert "'completion.max_new_token'; did you mean 'max_new_tokens'" in done.stderr


def test_doctor(shell: Run, bundle_path: Path) -> None:
    done = shell("doctor")
    assert done.returncode == 0, done.stdout
    for what in (
        "model",
        "load",
        "completion",
        "cargo",
        "rustc",
        "rustfmt",
        "checks",
        "cores",
        "python",
    ):
        assert what in done.stdout
    assert bundle_path.name in done.stdout
    assert "rustc checks a small program" in done.stdout
    assert "check cache" in done.stdout


def test_doctor_without_a_model(shell: Run, tmp_path: Path) -> None:
    done = shell("doctor", "--model", str(tmp_path))
    assert done.returncode == 1
    assert "broken" in done.stdout
    assert "m31r.json" in done.stdout
    assert "--model" in done.stdout


def test_doctor_without_rust(shell: Run) -> None:
    done = shell("doctor", PATH="/nowhere", CARGO_HOME="/nowhere")
    assert done.returncode == 0
    assert "cargo" in done.stdout
    assert "https://rustup.rs" in done.stdout


def test_demo(shell: Run) -> None:
    done = shell("demo")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" ms") == 5
    assert "src/lib.rs" in done.stdout


@pytest.mark.parametrize("command", ["", "doctor", "complete", "fix", "demo"])
def test_help_and_version(run: Run, command: str) -> None:
    arguments = command.split()
    shown = run(*arguments, "--help")
    assert shown.returncode == 0
    assert f"example:\n  m31r-lsp {command}".rstrip() in shown.stdout
    assert run(*arguments, "--version").stdout.startswith(f"m31r-lsp {command}".rstrip())


@pytest.mark.parametrize(
    "arguments", [["--tcp", "here"], ["--ws", "a:b"], ["--log-level", "loud"], ["--stdi0"]]
)
def test_wrong_use(run: Run, arguments: list[str]) -> None:
    assert run(*arguments).returncode == 2
