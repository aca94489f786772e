"""One thread that computes, with one slot: the newest job wins, nothing ever queues.

The asyncio loop hands jobs over and awaits futures; it never computes. A job that is overtaken is
answered at once with None and told to stop; the thread takes the newest one as soon as it is free.
While it has no job it does what may be asked for next, and drops that for any job.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

from m31r_core.engine.stop import Stop

logger = logging.getLogger(__name__)

T = TypeVar("T")
Cancelled = Callable[[], bool]
Job = Callable[[Cancelled], T]


class _Ticket(Generic[T]):
    """A job on its way, and how many requests wait for it."""

    def __init__(self, key: Hashable, job: Job[T], loop: asyncio.AbstractEventLoop) -> None:
        self.key = key
        self.job = job
        self.loop = loop
        self.future: asyncio.Future[T | None] = loop.create_future()
        self.stop = Stop()
        self.waiters = 0
        self.not_before = 0.0

    def overtake(self) -> None:
        """Answer with None and tell the job to stop. Call on the loop's thread."""
        self.stop.set()
        if not self.future.done():
            self.future.set_result(None)


class Worker(Generic[T]):
    """A thread with one slot. All methods but `prepare` are for the loop's thread."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._pending: _Ticket[T] | None = None
        self._running: _Ticket[T] | None = None
        self._chores: list[Callable[[], None]] = []
        self._idle: dict[Hashable, Callable[[Cancelled], bool]] = {}
        self._idling: Stop | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="m31r-worker", daemon=True)
        self._thread.start()

    def prepare(self, chore: Callable[[], None]) -> None:
        """Run `chore` before any job that is submitted later. It must not raise."""
        with self._wake:
            self._chores.append(chore)
            self._wake.notify()

    def when_idle(self, key: Hashable, task: Callable[[Cancelled], bool]) -> None:
        """Run `task` while there is no job; it replaces an older one with the same key.

        It is told to stop when a job comes. It returns whether it is done; one that is not is run
        again later. It must not raise.
        """
        with self._wake:
            self._idle.pop(key, None)
            self._idle[key] = task
            self._wake.notify()

    def no_longer(self, key: Hashable) -> None:
        """Drop the idle task with this key, unless it runs already."""
        with self._wake:
            self._idle.pop(key, None)

    async def submit(self, key: Hashable, job: Job[T], *, delay_s: float = 0.0) -> T | None:
        """Run `job` and return its result, or None when a newer job overtook it.

        It is begun after `delay_s` seconds. A job with the key of one under way shares its result.
        Raises what the job raises. When the waiting task is cancelled and no other waits, the job
        is told to stop.
        """
        ticket = self._join(key) or self._replace(key, job, delay_s)
        ticket.waiters += 1
        try:
            return await asyncio.shield(ticket.future)
        except asyncio.CancelledError:
            ticket.waiters -= 1
            if ticket.waiters == 0:
                ticket.overtake()
            raise

    def cancel_all(self) -> None:
        """Answer everything under way with None."""
        with self._wake:
            for ticket in (self._pending, self._running):
                if ticket is not None:
                    ticket.overtake()
            self._pending = None
            self._idle.clear()
            self._stop_idling()

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop the job under way and end the thread, waiting for at most `timeout_s`.

        Safe to call twice and without a loop.
        """
        with self._wake:
            self._closed = True
            for ticket in (self._pending, self._running):
                if ticket is not None:
                    ticket.stop.set()
            self._stop_idling()
            self._wake.notify()
        self._thread.join(timeout_s)

    def _join(self, key: Hashable) -> _Ticket[T] | None:
        with self._wake:
            for ticket in (self._pending, self._running):
                if ticket is not None and ticket.key == key and not ticket.future.done():
                    return ticket
        return None

    def _replace(self, key: Hashable, job: Job[T], delay_s: float) -> _Ticket[T]:
        ticket = _Ticket(key, job, asyncio.get_running_loop())
        ticket.not_before = time.monotonic() + delay_s
        with self._wake:
            for older in (self._pending, self._running):
                if older is not None:
                    older.overtake()
            self._stop_idling()
            self._pending = ticket
            self._wake.notify()
        return ticket

    def _stop_idling(self) -> None:
        if self._idling is not None:
            self._idling.set()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._running = self._idling = None
                while not (self._closed or self._chores or self._has_work()):
                    self._wake.wait(self._seconds_left())
                if self._closed:
                    return
                chores, self._chores = self._chores, []
                if not chores:
                    self._running, self._pending = self._pending, None
                ticket = self._running
                idle = next(iter(self._idle.items())) if not chores and ticket is None else None
                if idle is not None:
                    self._idling = Stop()
                    stop = self._idling
            for chore in chores:
                chore()
            if ticket is not None and not ticket.stop():
                self._work(ticket)
            if idle is not None:
                self._idle_with(*idle, stop)

    def _has_work(self) -> bool:
        if self._pending is None:
            return bool(self._idle)
        return self._pending.stop() or self._pending.not_before <= time.monotonic()

    def _seconds_left(self) -> float | None:
        if self._pending is None:
            return None
        return max(self._pending.not_before - time.monotonic(), 0.0)

    def _idle_with(self, key: Hashable, task: Callable[[Cancelled], bool], stop: Stop) -> None:
        done = task(stop)
        with self._wake:
            if done and self._idle.get(key) is task:
                del self._idle[key]

    def _work(self, ticket: _Ticket[T]) -> None:
        try:
            result = ticket.job(ticket.stop)
        except Exception as error:
            _post(ticket, partial(ticket.future.set_exception, error))
        else:
            _post(ticket, partial(ticket.future.set_result, result))


def _post(ticket: _Ticket[T], settle: Callable[[], None]) -> None:
    """Run `settle` on the loop's thread unless the ticket was answered or the loop is closed."""

    def unless_done() -> None:
        if not ticket.future.done():
            settle()

    call_on(ticket.loop, unless_done)


def call_on(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    """Run `function` on the thread of `loop`, unless that is closed."""
    try:
        loop.call_soon_threadsafe(function)
    except RuntimeError:
        logger.debug("the event loop closed before an answer came")


def logged(
    task: Callable[[Cancelled], bool], what: str, failed: Callable[[], None] = lambda: None
) -> Callable[[Cancelled], bool]:
    """Return an idle task that does `task`; where that raises, `what` is logged and it is done."""

    def never_raising(cancelled: Cancelled) -> bool:
        try:
            return task(cancelled)
        except Exception:
            logger.exception(what)
            failed()
            return True

    return never_raising
