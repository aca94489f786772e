"""Stages as Slurm job arrays, each of which waits for the one before, and the wait for them all."""

from __future__ import annotations

import json
import math
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datatrove.executor.slurm import SlurmPipelineExecutor

from m31r_core.errors import ConfigError, M31RError
from m31r_data.config import SlurmConfig
from m31r_data.executors.ranks import StageExecutor, quiet
from m31r_data.executors.stage import ENVIRONMENT, Stage, failure, stage_folders

if TYPE_CHECKING:
    from m31r_data.executors import Progress

_JOBS = "slurm.json"
# Marks of completion may reach this machine later than the news that the job has ended.
_LATE_SECONDS = 60.0


class SlurmStage(StageExecutor, SlurmPipelineExecutor):  # type: ignore[misc]
    """A stage as datatrove's Slurm executor knows it: one array, without a job for statistics."""

    def __init__(
        self,
        stage: Stage,
        folder: Path,
        workers: int,
        config: SlurmConfig,
        depends: SlurmStage | None = None,
    ) -> None:
        super().__init__(
            [],
            stage.tasks,
            time=config.time,
            partition=config.partition,
            cpus_per_task=config.cpus_per_task,
            mem_per_cpu_gb=config.mem_per_cpu_gb,
            workers=workers,
            job_name=f"m31r-{stage.name}",
            qos=config.qos,
            env_command=_environment(config),
            sbatch_args={"kill-on-invalid-dep": "yes", **_options(config)},
            # Stages of several arrays would only wait for the last of the stage before.
            tasks_per_job=math.ceil(stage.tasks / config.max_array),
            max_array_size=config.max_array,
            depends=depends,
            logging_dir=str(folder),
            # Under srun, a job would have one core, whatever cpus_per_task says.
            with_srun=False,
        )
        self.stage = stage
        self.folder = folder

    def get_sbatch_args(self, max_array: int = 1) -> dict[str, Any]:
        """Leave out an empty partition: the cluster has a default one."""
        options: dict[str, Any] = super().get_sbatch_args(max_array)
        return {name: value for name, value in options.items() if name != "partition" or value}

    def launch_merge_stats(self) -> None:
        """Do nothing: nobody reads the statistics of all ranks in one file."""


def run_by_slurm(
    stages: Sequence[Stage], workers: int, logs: Path, config: SlurmConfig, progress: Progress
) -> tuple[str, ...]:
    """Queue all stages and wait for them; see `run_stages`. Returns the jobs of a detached build.

    Whatever ends the wait before the stages are done takes their jobs out of the queue.
    """
    if shutil.which("sbatch") is None:
        raise M31RError("sbatch not found: --executor slurm runs where Slurm jobs are submitted")
    _refuse_if_queued(logs)
    folders = stage_folders(stages, logs)
    jobs: list[str] = []
    try:
        with quiet():
            previous = None
            for stage, folder in zip(stages, folders, strict=True):
                previous = SlurmStage(stage, folder, workers, config, previous)
                jobs.append(_submit(previous))
                (logs / _JOBS).write_text(json.dumps(jobs), encoding="utf-8")
        if config.detach:
            return tuple(jobs)
        for stage, folder in zip(stages, folders, strict=True):
            _wait(stage, folder, jobs, config.poll_seconds, progress)
    except BaseException:
        if jobs:
            subprocess.run(["scancel", *jobs], check=False)
        raise
    return ()


def _submit(executor: SlurmStage) -> str:
    try:
        executor.launch_job()
    except subprocess.CalledProcessError as error:
        # sbatch has said why.
        raise M31RError(
            f"stage {executor.stage.name}: sbatch refused the job (exit code {error.returncode}); "
            f"see the 'slurm' table of the configuration"
        ) from error
    return str(executor.job_id)


def _wait(
    stage: Stage, folder: Path, jobs: Sequence[str], poll_seconds: float, progress: Progress
) -> None:
    """Return when all ranks of the stage are done. Raises M31RError when one never will be."""
    reported = -1
    idle_since: float | None = None
    while True:
        queued = _in_queue(jobs)
        done = sum(1 for _ in (folder / "completions").glob("*"))
        if done != reported:
            progress(stage.name, done, stage.tasks)
            reported, idle_since = done, None
        if done == stage.tasks:
            return
        if (failed := failure(stage, folder)) is not None:
            raise failed
        if queued:
            idle_since = None
        elif idle_since is None:
            idle_since = time.monotonic()
        elif time.monotonic() - idle_since > min(_LATE_SECONDS, 6 * poll_seconds):
            raise M31RError(_lost(stage, folder, done))
        time.sleep(poll_seconds)


def _lost(stage: Stage, folder: Path, done: int) -> str:
    """Return what Slurm wrote last about a job of the stage that ended without a result."""
    logs = folder / "slurm_logs"
    what = f"stage {stage.name}: {stage.tasks - done} of {stage.tasks} ranks ended without a result"
    for file in sorted(logs.glob("*.out")):
        for line in reversed(file.read_text(encoding="utf-8", errors="replace").splitlines()):
            if "error:" in line:
                return f"{what}; {file}: {' '.join(line.split())}"
    return f"{what}; see {logs}"


def _in_queue(jobs: Sequence[str]) -> bool:
    """Whether one of the jobs waits or runs. A queue that does not answer is as it was."""
    command = ["squeue", "--noheader", "--format=%A", "--jobs", ",".join(jobs)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        # So it is once Slurm has forgotten the jobs.
        return "Invalid job id" not in answer.stderr
    return bool(answer.stdout.strip())


def _refuse_if_queued(logs: Path) -> None:
    file = logs / _JOBS
    jobs = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    if jobs and _in_queue(jobs):
        raise M31RError(
            "jobs of an earlier build are still queued; wait for them, or: scancel "
            + " ".join(jobs)
        )


def _environment(config: SlurmConfig) -> str:
    """Return the shell commands that make Python and our packages available to a job."""
    commands = [f"export {name}={value}" for name, value in ENVIRONMENT.items()]
    if config.env_command:
        commands.append(config.env_command)
    elif config.condaenv:
        commands.append('eval "$(conda shell.bash hook)"')
        commands.append(f"conda activate {shlex.quote(config.condaenv)}")
    elif config.activate or sys.prefix != sys.base_prefix:
        activate = config.activate or Path(sys.prefix) / "bin" / "activate"
        commands.append(f"source {shlex.quote(str(activate))}")
    return "; ".join(commands)


def _options(config: SlurmConfig) -> dict[str, str]:
    options: dict[str, str] = {}
    for option in config.options:
        name, equals, value = option.removeprefix("--").partition("=")
        if not equals or not name:
            raise ConfigError(f"'slurm.options': {option!r}: write it as name=value")
        options[name] = value
    return options
