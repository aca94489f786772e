"""Stages on this machine: in order, silently, and nothing is left of a build that failed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from m31r_core.errors import ConfigError, M31RError
from m31r_data.executors import run_stages
from tests.conftest import ROOT
from tests.data.executors.conftest import Driven
from tests.data.executors.steps import REFUSED, Failure, assert_ran, notes, stages


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers find the steps of this folder."""
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.mark.parametrize("workers", [1, 2])
def test_stages_run_one_after_another_and_say_nothing(
    workers: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[tuple[str, int, int]] = []
    before = dict(os.environ)
    run_stages(
        stages(tmp_path / "notes", first=3, none=0, second=2, third=1),
        executor="local",
        workers=workers,
        logs=tmp_path / "logs",
        progress=lambda *progress: told.append(progress),
    )
    assert_ran(tmp_path / "notes", first=3, second=2, third=1)
    assert told == [
        *(("first", done, 3) for done in range(4)),
        *(("second", done, 2) for done in range(3)),
        *(("third", done, 1) for done in range(2)),
    ]
    assert capfd.readouterr() == ("", "")
    assert dict(os.environ) == before
    assert all(note["tokenizers"] == "false" for note in notes(tmp_path / "notes"))


def test_one_worker_is_this_process_and_two_are_kept_for_all_stages(tmp_path: Path) -> None:
    for workers in (1, 2):
        run_stages(
            stages(tmp_path / str(workers), first=4, second=4),
            executor="local",
            workers=workers,
            logs=tmp_path / "logs",
        )
    assert {note["pid"] for note in notes(tmp_path / "1")} == {os.getpid()}
    others = {note["pid"] for note in notes(tmp_path / "2")}
    assert os.getpid() not in others
    assert len(others) <= 2
    assert not any(psutil.pid_exists(pid) for pid in others)


def test_marks_of_an_earlier_plan_keep_no_rank_from_running(tmp_path: Path) -> None:
    for name in ("once", "again"):
        run_stages(
            stages(tmp_path / name, first=2), executor="local", workers=1, logs=tmp_path / "logs"
        )
        assert_ran(tmp_path / name, first=2)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("failure", "kind"), [("m31r", M31RError), ("config", ConfigError), ("unpicklable", M31RError)]
)
def test_an_error_for_the_user_arrives_as_it_was_raised(
    failure: Failure, kind: type[M31RError], workers: int, tmp_path: Path
) -> None:
    with pytest.raises(M31RError) as caught:
        run_stages(
            stages(tmp_path / "notes", failure, first=2, second=2),
            executor="local",
            workers=workers,
            logs=tmp_path / "logs",
        )
    assert type(caught.value) is kind
    assert str(caught.value) == REFUSED
    assert "second" not in {note["stage"] for note in notes(tmp_path / "notes")}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bug_is_one_line_that_leads_to_its_traceback(workers: int, tmp_path: Path) -> None:
    with pytest.raises(
        M31RError, match=r"^stage first, rank 1: ValueError: two lines \(traceback in .*\)$"
    ) as caught:
        run_stages(
            stages(tmp_path / "notes", "bug", first=2),
            executor="local",
            workers=workers,
            logs=tmp_path / "logs",
        )
    file = Path(str(caught.value).split("traceback in ")[1].removesuffix(")"))
    assert 'raise ValueError(\\"two' in file.read_text()


def test_a_worker_that_was_killed_ends_the_build(tmp_path: Path) -> None:
    with pytest.raises(M31RError, match="stage first: a worker was killed"):
        run_stages(
            stages(tmp_path / "notes", "killed", first=3, second=2),
            executor="local",
            workers=2,
            logs=tmp_path / "logs",
        )


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_stops_all_workers_without_a_word(
    workers: int, drive: Callable[..., Driven], tmp_path: Path
) -> None:
    build = drive("local", workers, "hangs", first=2)
    family = _wait_until_it_hangs(build, tmp_path)
    os.killpg(build.pid, signal.SIGINT)
    assert build.communicate(timeout=60) == ("", "")
    assert build.returncode == 130
    assert psutil.wait_procs(family, timeout=60)[1] == []


def test_ctrl_c_while_workers_start(drive: Callable[..., Driven]) -> None:
    # It hangs in the end, so that it is not done before this process looks at it.
    build = drive("local", 2, "hangs", first=4)
    process = psutil.Process(build.pid)
    while not any("spawn_main" in command for command in _commands_below(process)):
        assert build.poll() is None, build.communicate()
    os.killpg(build.pid, signal.SIGINT)
    assert build.communicate(timeout=60) == ("", "")
    assert build.returncode == 130


def _commands_below(process: psutil.Process) -> list[str]:
    found = []
    # Any of them may end while it is looked at.
    with suppress(psutil.NoSuchProcess):
        for child in process.children():
            found.append(" ".join(child.cmdline()))
    return found


def test_workers_do_not_outlive_a_killed_build(
    drive: Callable[..., Driven], tmp_path: Path
) -> None:
    build = drive("local", 2, "hangs", first=2)
    family = _wait_until_it_hangs(build, tmp_path)
    assert len(family) > 1
    build.kill()
    build.communicate()
    assert psutil.wait_procs(family, timeout=60)[1] == []


def _wait_until_it_hangs(build: Driven, tmp_path: Path) -> list[psutil.Process]:
    while not (tmp_path / "notes" / "hangs").exists():
        assert build.poll() is None, build.communicate()
        time.sleep(0.05)
    process = psutil.Process(build.pid)
    return [process, *process.children(recursive=True)]


def test_no_worker_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--workers 0"):
        run_stages(stages(tmp_path, first=1), executor="local", workers=0, logs=tmp_path / "logs")


@pytest.mark.parametrize(
    "code",
    [
        "from m31r_train.cli import main; main(['data', 'build', '--help'])",
        "from m31r_data.executors import Stage, run_stages; from pathlib import Path; run_stages("
        "[Stage('a', list, 0)], executor='ray', workers=2, logs=Path('logs')); sys.exit()",
    ],
    ids=["help", "nothing to do"],
)
def test_what_runs_nothing_does_not_wait_for_imports(code: str, tmp_path: Path) -> None:
    script = (
        f"import sys\ntry:\n    {code}\n"
        "finally:\n    print(sorted({'datatrove', 'ray', 'torch'} & set(sys.modules)))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines()[-1] == "[]"
    assert list(tmp_path.iterdir()) == []
