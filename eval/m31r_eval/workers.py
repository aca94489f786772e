"""Work on tasks in processes of their own: one that hangs or crashes is a result, not the end."""

from __future__ import annotations

import multiprocessing
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from m31r_core.errors import M31RError

TaskT = TypeVar("TaskT")
Open = Callable[[Any], Callable[[Any], Any]]
"""Called once in each process with the setup; returns what does a task. Must be picklable."""


@dataclass(frozen=True)
class Failed:
    """Why a task has no result: the exception's last line, or what happened to its process."""

    reason: str


@dataclass(frozen=True)
class _Unable:
    """Why no task can be done at all: what the tasks need is missing."""

    reason: str


@dataclass
class _Worker:
    """A process that does one task at a time, started when it is first needed."""

    open_: Open
    setup: object
    process: BaseProcess | None = None
    connection: Connection | None = field(default=None, repr=False)

    def do(self, task: object, seconds: float) -> Any:
        if self.process is None or self.connection is None:
            context = multiprocessing.get_context("spawn")
            self.connection, other = context.Pipe()
            self.process = context.Process(
                target=_serve, args=(other, self.open_, self.setup), daemon=True
            )
            self.process.start()
            other.close()
        try:
            self.connection.send(task)
            if self.connection.poll(seconds):
                return self.connection.recv()
            failed = Failed(f"no answer within {seconds:g} s")
        except (EOFError, OSError):
            self.process.join(5)
            failed = Failed(f"its process ended with {self.process.exitcode}")
        self.stop()
        return failed

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
        if self.connection is not None:
            self.connection.close()
        self.process = self.connection = None


@dataclass(frozen=True)
class Done(Generic[TaskT]):
    """A task and its result."""

    task: TaskT
    result: Any


def work_on(
    tasks: Sequence[TaskT], open_: Open, setup: object, *, workers: int, seconds: float
) -> Iterator[Done[TaskT]]:
    """Yield results in the order in which they come, with `workers` processes at work.

    A task that takes longer than `seconds`, raises or ends its process gives `Failed`. Raises
    M31RError when `open_` does.
    """
    waiting: queue.SimpleQueue[TaskT] = queue.SimpleQueue()
    for task in tasks:
        waiting.put(task)
    done: queue.SimpleQueue[Done[TaskT]] = queue.SimpleQueue()
    pool = [_Worker(open_, setup) for _ in range(min(workers, len(tasks)))]
    threads = [
        threading.Thread(target=_drive, args=(worker, waiting, done, seconds), daemon=True)
        for worker in pool
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in tasks:
            each = done.get()
            if isinstance(each.result, _Unable):
                raise M31RError(each.result.reason)
            yield each
    finally:
        while not waiting.empty():
            waiting.get()
        for worker in pool:
            if worker.process is not None:
                worker.process.kill()
        for thread in threads:
            thread.join(10)


def _drive(
    worker: _Worker,
    waiting: queue.SimpleQueue[Any],
    done: queue.SimpleQueue[Done[Any]],
    seconds: float,
) -> None:
    try:
        while True:
            try:
                task = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                result = worker.do(task, seconds)
            except Exception as error:
                result = Failed(f"{type(error).__name__}: {error}")
            done.put(Done(task, result))
    finally:
        worker.stop()


def _serve(connection: Connection, open_: Open, setup: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    do = None
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        try:
            if do is None:
                try:
                    do = open_(setup)
                except M31RError as error:
                    connection.send(_Unable(str(error)))
                    return
            result = do(task)
        except Exception as error:
            result = Failed(traceback.format_exception_only(error)[-1].strip())
        connection.send(result)
