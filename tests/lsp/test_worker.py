"""One slot, newest wins, nothing queues."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest

from m31r_lsp.worker import Worker, logged

Cancelled = Callable[[], bool]


@pytest.fixture
async def worker() -> AsyncIterator[Worker[str]]:
    made: Worker[str] = Worker()
    yield made
    made.close()


class Long:
    """A job that goes on until it is told to stop."""

    def __init__(self) -> None:
        self.started, self.stopped = threading.Event(), threading.Event()

    def __call__(self, cancelled: Cancelled) -> str:
        self.started.set()
        while not cancelled():
            self.stopped.wait(0.001)
        self.stopped.set()
        return "too late"


async def begun(job: Long) -> None:
    assert await asyncio.to_thread(job.started.wait, 30)


async def test_a_newer_job_is_all_that_counts(worker: Worker[str]) -> None:
    # It looks up only once all the others are there: none of them may be run before its turn.
    begun, asked = threading.Event(), threading.Event()
    ran: list[int] = []

    def busy(cancelled: Cancelled) -> str:
        begun.set()
        assert asked.wait(30)
        return "told to stop" if cancelled() else "not told to stop"

    first = asyncio.create_task(worker.submit(0, busy))
    assert await asyncio.to_thread(begun.wait, 30)

    def job(number: int, cancelled: Cancelled) -> str:
        ran.append(number)
        return str(number)

    waiting = [asyncio.create_task(worker.submit(i, partial(job, i))) for i in range(1, 50)]
    await asyncio.sleep(0)
    asked.set()
    assert await asyncio.gather(first, *waiting) == [None] * 49 + ["49"]
    assert ran == [49]


async def test_equal_keys_share_a_result(worker: Worker[str]) -> None:
    running = Long()
    blocked = asyncio.create_task(worker.submit("other", running))
    await begun(running)
    ran: list[str] = []

    def job(cancelled: Cancelled) -> str:
        ran.append("once")
        return "shared"

    both = await asyncio.gather(worker.submit("same", job), worker.submit("same", job))
    assert list(both) == ["shared", "shared"]
    assert ran == ["once"]
    assert await blocked is None


async def test_cancelling_the_only_waiter_stops_the_job(worker: Worker[str]) -> None:
    running = Long()
    task = asyncio.create_task(worker.submit(1, running))
    await begun(running)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(running.stopped.wait, 30)
    assert await worker.submit(2, lambda _: "next") == "next"


async def test_an_error_goes_to_who_asked(worker: Worker[str]) -> None:
    def job(cancelled: Cancelled) -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await worker.submit(1, job)
    assert await worker.submit(2, lambda _: "lives") == "lives"


async def test_chores_come_before_jobs(worker: Worker[str]) -> None:
    order: list[str] = []
    worker.prepare(lambda: order.append("chore"))

    def job(cancelled: Cancelled) -> str:
        order.append("job")
        return ""

    await worker.submit(1, job)
    assert order == ["chore", "job"]


async def test_closing_ends_a_running_job(worker: Worker[str]) -> None:
    running = Long()
    task = asyncio.create_task(worker.submit(1, running))
    await begun(running)
    worker.close()
    assert running.stopped.is_set()
    task.cancel()


async def test_idle_work_gives_way_to_a_job_and_goes_on_later(worker: Worker[str]) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    runs: list[str] = []

    def task(cancelled: Cancelled) -> bool:
        runs.append("idle")
        loop.call_soon_threadsafe(begun.set)
        if len(runs) > 1:
            loop.call_soon_threadsafe(ended.set)
            return True
        while not cancelled():
            threading.Event().wait(0.001)
        return False

    worker.when_idle("task", task)
    await asyncio.wait_for(begun.wait(), 30)

    def job(cancelled: Cancelled) -> str:
        runs.append("job")
        return "done"

    assert await worker.submit("job", job) == "done"
    await asyncio.wait_for(ended.wait(), 30)
    # One that was told to stop is begun again, behind the job.
    assert runs == ["idle", "job", "idle"]


async def test_idle_work_of_one_kind_is_replaced_by_newer(worker: Worker[str]) -> None:
    running, done = Long(), asyncio.Event()
    loop = asyncio.get_running_loop()
    ran: list[int] = []

    def task(number: int, cancelled: Cancelled) -> bool:
        ran.append(number)
        loop.call_soon_threadsafe(done.set)
        return True

    job = asyncio.create_task(worker.submit("job", running))
    await begun(running)
    for number in range(5):
        worker.when_idle("kind", partial(task, number))
    worker.cancel_all()
    worker.when_idle("kind", partial(task, 7))
    assert await job is None
    await asyncio.wait_for(done.wait(), 30)
    assert ran == [7]


async def test_jobs_never_wait_for_idle_work(worker: Worker[str]) -> None:
    """However much of it there is, a job runs before the next of it."""
    order: list[str] = []

    def task(name: str, cancelled: Cancelled) -> bool:
        order.append(name)
        threading.Event().wait(0.02)
        return True

    for number in range(20):
        worker.when_idle(number, partial(task, f"idle {number}"))

    def job(cancelled: Cancelled) -> str:
        order.append("job")
        return "done"

    await asyncio.sleep(0.03)
    assert await worker.submit("job", job) == "done"
    assert order.index("job") < 10


async def test_a_job_that_waits_gives_way_to_a_newer_one_and_to_nothing_else(
    worker: Worker[str],
) -> None:
    ran: list[str] = []

    def job(name: str, cancelled: Cancelled) -> str:
        ran.append(name)
        return name

    def idle(cancelled: Cancelled) -> bool:
        ran.append("idle")
        return True

    waiting = asyncio.create_task(worker.submit("first", partial(job, "first"), delay_s=3600))
    same = asyncio.create_task(worker.submit("first", partial(job, "same"), delay_s=3600))
    await asyncio.sleep(0)
    worker.when_idle("idle", idle)
    chored = threading.Event()
    worker.prepare(chored.set)
    assert await asyncio.to_thread(chored.wait, 30)
    assert ran == []
    assert await worker.submit("second", partial(job, "second"), delay_s=0.05) == "second"
    assert list(await asyncio.gather(waiting, same)) == [None, None]
    assert ran[0] == "second"


async def test_an_idle_task_that_fails_is_done(worker: Worker[str]) -> None:
    def broken(cancelled: Cancelled) -> bool:
        raise ValueError("on purpose")

    told = threading.Event()
    worker.when_idle("broken", logged(broken, "it failed", told.set))
    assert await asyncio.to_thread(told.wait, 30)
    assert await worker.submit("next", lambda cancelled: "answered") == "answered"
