"""A computation in another thread is told to end, and ends in the middle of a step."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from m31r_core.bundle import load_bundle
from m31r_core.engine import Engine, GenerateOptions, Stop
from m31r_core.engine.graph import Graph
from m31r_core.engine.kv_cache import StoppedError
from m31r_core.engine.session import Session
from m31r_core.prompt import Prompt


def test_it_is_set_once_and_tells_whoever_listens() -> None:
    stop, heard = Stop(), list[str]()
    with stop.telling(lambda: heard.append("in time")):
        assert not stop()
        stop.set()
    assert stop()
    with stop.telling(lambda: heard.append("late")):
        pass
    stop.set()
    assert heard == ["in time", "late"]


def test_a_step_that_is_stopped_never_was(random_bundle: Path) -> None:
    graph = Graph(load_bundle(random_bundle), 1)
    session, fresh = Session(graph), Session(graph)
    ids = [20 + i % 300 for i in range(200)]
    for each in (session, fresh):
        each.forward(ids[:50], [0])
    stop = Stop()
    stop.set()
    with pytest.raises(StoppedError):
        session.forward(ids[50:], [0], stop)
    assert session.ids == ids[:50]
    np.testing.assert_array_equal(session.forward([77], [0]), fresh.forward([77], [0]))


def test_a_step_ends_long_before_it_would_be_done(random_bundle: Path) -> None:
    """Stopped from another thread again and again, always inside of the runtime's own run."""
    session = Session(Graph(load_bundle(random_bundle), 1))
    ids = [20 + i % 300 for i in range(250)]
    stopped = 0
    # On a busy machine the other thread may get its turn only when the step is done.
    for _ in range(400):
        if stopped == 20:
            break
        session.rewind(0)
        stop, running = Stop(), threading.Event()
        inside = stop.telling

        def telling(listener: object, inside: object = inside, running: object = running) -> object:
            running.set()  # type: ignore[attr-defined]
            return inside(listener)  # type: ignore[operator]

        stop.telling = telling  # type: ignore[method-assign,assignment]

        def set_once(stop: Stop = stop, running: threading.Event = running) -> None:
            running.wait()
            stop.set()

        thread = threading.Thread(target=set_once)
        thread.start()
        try:
            session.forward(ids, [249], stop)
        except StoppedError:
            stopped += 1
            assert session.ids == []
        thread.join()
    assert stopped == 20


def test_a_stopped_generation_says_so_and_the_next_is_right(random_bundle: Path) -> None:
    engine = Engine.load(load_bundle(random_bundle), threads=1)
    prompt = Prompt(tuple(20 + i % 300 for i in range(150)))
    expected = engine.generate(prompt, GenerateOptions(max_new_tokens=12)).ids
    for delay in range(12):
        stop = Stop()
        timer = threading.Timer(delay / 1000, stop.set)
        timer.start()
        moved = Prompt((*prompt.ids[:delay], 99, *prompt.ids))
        generation = engine.generate(moved, GenerateOptions(max_new_tokens=60), cancelled=stop)
        timer.join()
        assert generation.finish in ("cancelled", "length", "end")
        assert engine.generate(prompt, GenerateOptions(max_new_tokens=12)).ids == expected
