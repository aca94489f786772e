"""Stages on a Ray cluster: the one that RAY_ADDRESS names, else one started here for the build.

datatrove's own loop starts an actor for every rank, which takes a second, waits forever for a rank
whose process was killed, and goes on when ranks have failed.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datatrove.executor.ray import RayPipelineExecutor

from m31r_core.errors import M31RError
from m31r_data.executors.ranks import StageExecutor, quiet, run_rank
from m31r_data.executors.stage import ENVIRONMENT, Stage, failure, stage_folders

if TYPE_CHECKING:
    from m31r_data.executors import Progress

_ADDRESS = "RAY_ADDRESS"
# How often a rank is tried when its machine or process is lost.
_TRIES = 3
# Nothing is kept in Ray's memory; this is about the least that it takes.
_OBJECT_STORE_BYTES = 100 * 2**20
_FOLDER_CHARACTERS = 24


class RayStage(StageExecutor, RayPipelineExecutor):  # type: ignore[misc]
    """A stage as datatrove's Ray executor knows it."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        super().__init__([], stage.tasks, logging_dir=str(folder), skip_completed=False)
        self.stage = stage
        self.folder = folder


def run_on_ray(stages: Sequence[Stage], workers: int, logs: Path, progress: Progress) -> None:
    """Run stages on a Ray cluster; the arguments are those of `run_stages`."""
    folders = stage_folders(stages, logs)
    with quiet(), _cluster(workers):
        for stage, folder in zip(stages, folders, strict=True):
            executor = RayStage(stage, folder)
            progress(stage.name, 0, stage.tasks)
            for done, succeeded in enumerate(_on_cluster(executor, workers), 1):
                if not succeeded:
                    raise failure(stage, folder) or M31RError(f"stage {stage.name} failed")
                progress(stage.name, done, stage.tasks)


def _on_cluster(executor: RayStage, workers: int) -> Iterator[bool]:
    """Yield what becomes of each rank, in the order in which they end."""
    import ray

    # Ray's own retries would try forever what was killed because memory ran out.
    remote = ray.remote(num_cpus=1, max_retries=0)(_remote_rank)
    shared = ray.put(executor)
    waiting = list(reversed(range(executor.stage.tasks)))
    tries = dict.fromkeys(waiting, 0)
    running: dict[Any, int] = {}
    while waiting or running:
        while waiting and len(running) < workers:
            rank = waiting.pop()
            running[remote.remote(shared, rank)] = rank
        [ended], _ = ray.wait(list(running))
        rank = running.pop(ended)
        try:
            yield ray.get(ended)
        except ray.exceptions.RayError as error:
            tries[rank] += 1
            if isinstance(error, ray.exceptions.RayTaskError) or tries[rank] == _TRIES:
                where = f"stage {executor.stage.name}, rank {rank}"
                raise M31RError(f"{where}: Ray: {_one_line(error)}") from error
            waiting.append(rank)


def _remote_rank(executor: RayStage, rank: int) -> bool:
    os.environ.update(ENVIRONMENT)
    with quiet():
        return run_rank(executor, rank)


@contextmanager
def _cluster(workers: int) -> Iterator[None]:
    """Be connected to a cluster in the block; what was started for it ends with it."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    address = os.environ.get(_ADDRESS)
    if not address:
        # Without "clusters", Ray listens on the loopback device only. The token keeps the other
        # users of this machine out; Ray would leave one in the home folder.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = _token()
    try:
        import ray
    except ImportError as error:
        raise M31RError("ray is not installed: pip install 'm31r[dist]'") from error
    if ray.is_initialized():
        yield
        return
    # The default is below a folder of a fixed name, and stays.
    with tempfile.TemporaryDirectory(
        prefix="m31r-ray-", dir=_short_folder(), ignore_cleanup_errors=True
    ) as folder:
        try:
            if address:
                _check_listening(address)
                ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
            else:
                ray.init(
                    "local",
                    num_cpus=workers,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    object_store_memory=_OBJECT_STORE_BYTES,
                    _temp_dir=folder,
                )
        except (OSError, RuntimeError, ray.exceptions.RayError) as error:
            where = f"at {address}" if address else "on this machine"
            raise M31RError(f"Ray {where}: {_one_line(error)}") from error
        try:
            yield
        finally:
            ray.shutdown()


def _check_listening(address: str) -> None:
    """Raise OSError when nothing listens at host:port: Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and "/" not in host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


def _short_folder() -> str:
    """Return the folder for temporary files, or /tmp: names of sockets have 107 characters."""
    folder = tempfile.gettempdir()
    return folder if len(folder) <= _FOLDER_CHARACTERS else "/tmp"


@cache
def _token() -> str:
    """Return a secret of this process; Ray reads it once, and takes no other afterwards."""
    return secrets.token_hex(32)


def _one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Ray puts the traceback in front of what happened.
    return lines[-1] if lines else type(error).__name__
