"""Stages by a real Slurm of one node, which runs as long as these tests.

They need slurmctld, slurmd and sbatch and are skipped without them. On Debian:

    apt-get install --no-install-recommends slurmctld slurmd slurm-client

Neither munge nor anything under /etc has to be set up: the configuration is written here.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from m31r_core.errors import ConfigError, M31RError
from m31r_data.config import SlurmConfig
from m31r_data.executors import run_stages
from m31r_data.executors.queue import SlurmStage
from tests.data.executors.conftest import Driven
from tests.data.executors.steps import REFUSED, assert_ran, notes, stages

_MISSING = [name for name in ("slurmctld", "slurmd", "sbatch") if shutil.which(name) is None]
needs_slurm = pytest.mark.skipif(bool(_MISSING), reason=f"not installed: {', '.join(_MISSING)}")

CONFIGURATION = """\
ClusterName=m31r
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/none
CredType=cred/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
OPTIONS: dict[str, Any] = {"poll_seconds": 0.2, "mem_per_cpu_gb": 1, "time": "00:10:00"}


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A controller and a node; yields the environment in which sbatch talks to them."""
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    controller, node = _free_ports()
    configuration = CONFIGURATION.format(
        host=socket.gethostname().partition(".")[0],
        user=getpass.getuser(),
        controller=controller,
        node=node,
        folder=folder,
        cpus=os.cpu_count(),
    )
    (folder / "slurm.conf").write_text(configuration)
    environment = {"SLURM_CONF": str(folder / "slurm.conf")}
    daemons = [
        subprocess.Popen(
            [name, "-D"],
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name in ("slurmctld", "slurmd")
    ]
    try:
        while "idle" not in _queue(environment, "sinfo", "--noheader", "--format=%t"):
            assert all(daemon.poll() is None for daemon in daemons), _logs(folder)
            time.sleep(0.1)
        yield environment
    finally:
        _queue(environment, "scancel", "--user", getpass.getuser())
        # The node first: without its controller, it would wait for it.
        for daemon in reversed(daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        for each in (one, two):
            each.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


def _logs(folder: Path) -> str:
    return "\n".join(file.read_text()[-2_000:] for file in folder.glob("*.log"))


def _queue(environment: dict[str, str], *command: str) -> str:
    answer = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    return answer.stdout


def _wait_until_empty(environment: dict[str, str]) -> None:
    while _queue(environment, "squeue", "--noheader"):
        time.sleep(0.1)


@needs_slurm
@pytest.mark.slow
def test_arrays_wait_for_one_another(
    drive: Callable[..., Driven], slurm: dict[str, str], tmp_path: Path
) -> None:
    # Five ranks in arrays of at most two jobs: a job runs several.
    options = OPTIONS | {"max_array": 2}
    build = drive("slurm", 2, slurm=options, environment=slurm, first=5, second=2)
    assert build.communicate(timeout=120) == ("", "")
    assert_ran(tmp_path / "notes", first=5, second=2)
    assert all(note["tokenizers"] == "false" for note in notes(tmp_path / "notes"))


@needs_slurm
@pytest.mark.slow
@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ("config", re.escape(f"ConfigError: {REFUSED}\n")),
        ("bug", r"M31RError: stage first, rank 1: ValueError: two lines \(traceback in \S+\)\n"),
        ("killed", r"M31RError: stage first: 1 of 2 ranks ended without a result; see \S+\n"),
    ],
)
def test_what_fails_takes_the_rest_out_of_the_queue(
    failure: str, message: str, drive: Callable[..., Driven], slurm: dict[str, str], tmp_path: Path
) -> None:
    build = drive("slurm", 2, failure, slurm=OPTIONS, environment=slurm, first=2, second=2)
    _, error = build.communicate(timeout=120)
    assert re.fullmatch(message, error)
    _wait_until_empty(slurm)
    assert "second" not in {note["stage"] for note in notes(tmp_path / "notes")}


@needs_slurm
@pytest.mark.slow
def test_a_detached_build_returns_its_jobs_and_blocks_another(
    drive: Callable[..., Driven], slurm: dict[str, str], tmp_path: Path
) -> None:
    options = OPTIONS | {"detach": True}
    build = drive("slurm", 2, "hangs", slurm=options, environment=slurm, first=2, second=1)
    output, error = build.communicate(timeout=120)
    assert error == ""
    jobs = output.split()
    assert len(jobs) == 2
    while not (tmp_path / "notes" / "hangs").exists():
        time.sleep(0.1)
    _, error = drive("slurm", 2, slurm=options, environment=slurm, first=1).communicate(timeout=120)
    assert error.startswith("M31RError: jobs of an earlier build are still queued")
    assert f"scancel {' '.join(jobs)}" in error
    subprocess.run(["scancel", *jobs], env={**os.environ, **slurm}, check=True)
    _wait_until_empty(slurm)


@needs_slurm
def test_a_partition_that_is_not_there_is_one_line(
    drive: Callable[..., Driven], slurm: dict[str, str]
) -> None:
    options = OPTIONS | {"partition": "none"}
    _, error = drive("slurm", 1, slurm=options, environment=slurm, first=1).communicate(timeout=60)
    assert error.splitlines()[-1].startswith("M31RError: stage first: sbatch refused the job")
    assert "none" in error


def test_a_script_has_the_options_of_the_configuration(tmp_path: Path) -> None:
    config = SlurmConfig(
        partition="big",
        time="01:00:00",
        cpus_per_task=2,
        mem_per_cpu_gb=3,
        qos="low",
        options=("account=me", "--constraint=ssd"),
        activate=tmp_path / "an env" / "activate",
    )
    [stage] = stages(tmp_path / "notes", first=2500)
    executor = SlurmStage(stage, tmp_path, 7, config)
    script = executor.get_launch_file_contents(executor.get_sbatch_args(834), "true")
    options = dict(re.findall(r"^#SBATCH --([a-z-]+)=(.*)$", script, flags=re.MULTILINE))
    assert options.pop("output") == options.pop("error")
    assert options == {
        "account": "me",
        "array": "0-833%7",
        "constraint": "ssd",
        "cpus-per-task": "2",
        "job-name": "m31r-first",
        "kill-on-invalid-dep": "yes",
        "mem-per-cpu": "3G",
        "nodes": "1",
        "partition": "big",
        "qos": "low",
        "time": "01:00:00",
    }
    assert executor.tasks_per_job == 3
    (tmp_path / "an env").mkdir()
    (tmp_path / "an env" / "activate").write_text("export FROM=here\n")
    run = executor.get_launch_file_contents({}, 'echo "$FROM $TOKENIZERS_PARALLELISM"')
    ran = subprocess.run(["bash", "-s"], input=run, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "here false"


def test_an_option_without_a_value_is_named(tmp_path: Path) -> None:
    [stage] = stages(tmp_path / "notes", first=1)
    with pytest.raises(ConfigError, match=r"'slurm\.options': 'exclusive'"):
        SlurmStage(stage, tmp_path, 1, SlurmConfig(options=("exclusive",)))


def test_a_machine_without_slurm_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(M31RError, match="sbatch not found"):
        run_stages(
            stages(tmp_path / "notes", first=1), executor="slurm", workers=1, logs=tmp_path / "logs"
        )
