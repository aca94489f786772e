"""Runs the stages of a build, one after another: on this machine, on a Ray cluster or by Slurm.

A stage is a pipeline of datatrove, run for each of its ranks. What a rank does, and whether it
finds anything left to do, is the business of its steps; here is only where and when it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from m31r_core.errors import ConfigError
from m31r_data.config import SlurmConfig
from m31r_data.executors.stage import Stage, worker_environment

__all__ = ["ExecutorName", "Progress", "Stage", "run_stages"]

ExecutorName = Literal["local", "ray", "slurm"]
Progress = Callable[[str, int, int], None]


def run_stages(
    stages: Sequence[Stage],
    *,
    executor: ExecutorName,
    workers: int,
    logs: Path,
    slurm: SlurmConfig | None = None,
    progress: Progress | None = None,
) -> tuple[str, ...]:
    """Run every rank of every stage; no rank starts before the stage in front has ended.

    At most `workers` ranks run at a time. Stages without ranks are left out, and without any
    nothing is started. `logs` is emptied first; then it holds a folder for each stage, with
    datatrove's statistics and what stopped a rank. With Ray and Slurm, `logs` and all that the
    steps read and write must lie where every machine sees it. `progress` is called with a stage,
    how many of its ranks are done, and how many there are.

    Returns the ids of Slurm jobs that are still to run: none unless `slurm.detach`. Raises
    M31RError with what a step raised, or naming the stage and the rank that failed.
    """
    if workers < 1:
        raise ConfigError(f"--workers {workers}: at least one worker is needed")
    todo = [stage for stage in stages if stage.tasks]
    report: Progress = progress or (lambda stage, done, tasks: None)
    if not todo:
        return ()
    with worker_environment():
        return _run(todo, executor, workers, logs, slurm or SlurmConfig(), report)


def _run(
    stages: Sequence[Stage],
    executor: ExecutorName,
    workers: int,
    logs: Path,
    slurm: SlurmConfig,
    progress: Progress,
) -> tuple[str, ...]:
    # datatrove takes a quarter of a second to import, Ray a whole one.
    match executor:
        case "local":
            from m31r_data.executors.local import run_local

            run_local(stages, workers, logs, progress)
        case "ray":
            from m31r_data.executors.cluster import run_on_ray

            run_on_ray(stages, workers, logs, progress)
        case "slurm":
            from m31r_data.executors.queue import run_by_slurm

            return run_by_slurm(stages, workers, logs, slurm, progress)
    return ()
