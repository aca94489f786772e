"""Stages on Ray: on a cluster of two nodes, started here as two raylets, and on one of our own."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.data.executors.conftest import Driven, needs_ray
from tests.data.executors.steps import REFUSED, assert_ran, notes

pytestmark = [pytest.mark.slow, needs_ray]


def test_two_nodes_share_the_ranks(
    drive: Callable[..., Driven], ray_cluster: dict[str, str], tmp_path: Path
) -> None:
    build = drive("ray", 2, environment=ray_cluster, first=8, second=1, third=8)
    assert build.communicate(timeout=300) == ("", "")
    assert build.returncode == 0
    assert_ran(tmp_path / "notes", first=8, second=1, third=8)
    found = notes(tmp_path / "notes")
    assert len({note["node"] for note in found}) == 2
    assert all(note["tokenizers"] == "false" for note in found)


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ("config", f"ConfigError: {REFUSED}\n"),
        ("bug", "M31RError: stage first, rank 1: ValueError: two lines (traceback in "),
        ("killed", "M31RError: stage first, rank 1: Ray: "),
    ],
)
def test_what_a_rank_fails_of_is_one_line(
    failure: str,
    message: str,
    drive: Callable[..., Driven],
    ray_cluster: dict[str, str],
    tmp_path: Path,
) -> None:
    build = drive("ray", 2, failure, environment=ray_cluster, first=3, second=2)
    _, error = build.communicate(timeout=300)
    assert error.startswith(message)
    assert error.count("\n") == 1
    assert "second" not in {note["stage"] for note in notes(tmp_path / "notes")}


def test_a_rank_whose_worker_was_lost_runs_again(
    drive: Callable[..., Driven], ray_cluster: dict[str, str], tmp_path: Path
) -> None:
    build = drive("ray", 2, "killed once", environment=ray_cluster, first=3, second=2)
    _, error = build.communicate(timeout=300)
    assert error == ""
    assert_ran(tmp_path / "notes", first=3, second=2)


def test_a_cluster_that_is_not_there_is_one_line(drive: Callable[..., Driven]) -> None:
    nowhere = {"RAY_ADDRESS": "127.0.0.1:1"}
    _, error = drive("ray", 2, environment=nowhere, first=2).communicate(timeout=300)
    assert error.startswith("M31RError: Ray at 127.0.0.1:1: ")
    assert error.count("\n") == 1


def test_without_an_address_a_cluster_lives_as_long_as_the_build(
    drive: Callable[..., Driven], tmp_path: Path
) -> None:
    build = drive("ray", 2, "hangs", first=2, environment={"TMPDIR": str(tmp_path)})
    while not (tmp_path / "notes" / "hangs").exists():
        assert build.poll() is None, build.communicate()
        time.sleep(0.05)
    family = psutil.Process(build.pid).children(recursive=True)
    names, commands, listening = {}, [], set()
    for process in family:
        # Ray starts helpers that are gone the next moment.
        with suppress(psutil.NoSuchProcess):
            names[process] = process.name()
            commands += process.cmdline()
            ports = process.net_connections("inet")
            listening |= {each.laddr.ip for each in ports if each.status == psutil.CONN_LISTEN}
    assert any("raylet" in name for name in names.values())
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1"}
    # Nobody is left to remove it.
    [folder] = set(re.findall(r"/[\w./-]*m31r-ray-\w+", " ".join(commands)))
    # Ray's agents, which run nothing of ours, may take minutes to notice.
    ours = [process for process, name in names.items() if "Agent" not in name]
    build.kill()
    assert psutil.wait_procs(ours, timeout=60)[1] == []
    shutil.rmtree(folder, ignore_errors=True)
