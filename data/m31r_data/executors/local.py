"""Stages on this machine: in this process for one worker, else in processes kept for all stages.

datatrove's own loop starts a manager process for one worker too, starts a new pool with every
stage, and waits forever for a worker that was killed, as the kernel does when memory runs out.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.utils.logging import logger

from m31r_core.errors import M31RError
from m31r_data.executors.ranks import StageExecutor, quiet, run_rank
from m31r_data.executors.stage import Stage, failure, stage_folders

if TYPE_CHECKING:
    from m31r_data.executors import Progress


class LocalStage(StageExecutor, LocalPipelineExecutor):  # type: ignore[misc]
    """A stage as datatrove's local executor knows it."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        super().__init__([], stage.tasks, logging_dir=str(folder), skip_completed=False)
        self.stage = stage
        self.folder = folder


def run_local(stages: Sequence[Stage], workers: int, logs: Path, progress: Progress) -> None:
    """Run stages with at most `workers` processes; the arguments are those of `run_stages`."""
    folders = stage_folders(stages, logs)
    with quiet(), _worker_pool(workers) as pool:
        for stage, folder in zip(stages, folders, strict=True):
            executor = LocalStage(stage, folder)
            progress(stage.name, 0, stage.tasks)
            # A rank alone may as well run here: a process takes half a second to start.
            if min(workers, stage.tasks) == 1:
                results: Iterator[bool] = (run_rank(executor, rank) for rank in range(stage.tasks))
            else:
                results = _in_pool(pool, executor)
            for done, succeeded in enumerate(results, 1):
                if not succeeded:
                    raise failure(stage, folder) or M31RError(f"stage {stage.name} failed")
                progress(stage.name, done, stage.tasks)


def _in_pool(pool: ProcessPoolExecutor, executor: LocalStage) -> Iterator[bool]:
    """Yield what becomes of each rank, in the order in which they end."""
    ranks = range(executor.stage.tasks)
    with _deaf_to_interrupts():
        futures: list[Future[bool]] = [pool.submit(run_rank, executor, rank) for rank in ranks]
    try:
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise M31RError(
            f"stage {executor.stage.name}: a worker was killed, perhaps because memory ran out; "
            "what was finished is kept: run it again, with fewer workers if need be"
        ) from error


@contextmanager
def _worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool that starts its processes when they are needed and leaves none behind."""
    # Tokenizers and threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    try:
        yield pool
    except BaseException:
        for child in multiprocessing.active_children():
            if child not in others:
                child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Start processes that never hear of Ctrl-C: this one does, behind the block, and ends them.

    Told of it themselves, they would each print a traceback, even while they start.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    # The processes inherit the mask. Other threads of this one have none: hence the handler.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
        if heard:
            signal.raise_signal(signal.SIGINT)


def _start_worker() -> None:
    """Make this process a worker: silent, and gone when its parent is."""
    logger.disable("datatrove")
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
