"""The suites `latency` and `memory`: recorded typing, played to a real server over its pipes.

Every number here depends on the machine and the minute, so that all of a record is timings.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m31r_core.errors import M31RError
from m31r_eval.metrics import bootstrap_interval, percentile, percentiles
from m31r_eval.rpc import Server
from m31r_eval.running import Crew, Record, digest_of, finish, run_tasks
from m31r_eval.settings import ReplaySettings
from m31r_eval.tasks import TaskFile
from m31r_eval.traces import Event, Trace

CANCELLED = (-32800, -32801)
"""Error codes of requests that were overtaken: cancelled, content modified."""

_FOLDER = "/m31r-eval"


@dataclass(frozen=True)
class ReplaySetup:
    """The server's command line and how traces are played; it can be sent to another process."""

    command: tuple[str, ...]
    settings: ReplaySettings


def run_latency(
    task_file: TaskFile[Trace], setup: ReplaySetup, *, model_id: str, out: Path, seed: int
) -> Record:
    """Play every trace to a fresh server at the typist's pace and return the metrics.

    One at a time: what is measured must not share the machine with itself.
    """
    longest = max(trace.events[-1].at_ms / 1e3 for trace in task_file.tasks)
    seconds = longest / setup.settings.speed + 2 * setup.settings.answer_s + 60
    records = run_tasks(
        task_file.tasks,
        open_latency,
        setup,
        label="latency",
        out=out,
        run=digest_of("latency", task_file.sha256, setup, model_id),
        crew=Crew(1, seconds),
        failed=_failed,
    )
    head = _head("latency", task_file, model_id, seed)
    metrics = {**head, **_summarise_latency(records, setup.settings.resamples, seed)}
    finish(out, metrics)
    return metrics


def run_memory(
    task_file: TaskFile[Trace], setup: ReplaySetup, *, model_id: str, out: Path, seed: int
) -> Record:
    """Play every trace many times to one server, without pauses; return what it held.

    A record is a trace, played `repeats` times to a fresh server.
    """
    records = run_tasks(
        task_file.tasks,
        open_memory,
        setup,
        label="memory",
        out=out,
        run=digest_of("memory", task_file.sha256, setup, model_id),
        crew=Crew(1, 600.0 + 60.0 * setup.settings.repeats),
        failed=_failed,
    )
    metrics = {**_head("memory", task_file, model_id, seed), **_summarise_memory(records)}
    finish(out, metrics)
    return metrics


def open_latency(setup: ReplaySetup) -> Callable[[Trace], Record]:
    """Return what plays a trace at its pace."""
    return lambda trace: _latency(trace, setup)


def open_memory(setup: ReplaySetup) -> Callable[[Trace], Record]:
    """Return what plays a trace many times."""
    return lambda trace: _memory(trace, setup)


@dataclass(frozen=True)
class Asking:
    """One request for ghost text: how long its answer took, and whether it had text in it."""

    milliseconds: float
    outcome: str


def play(
    server: Server, trace: Trace, uri: str, settings: ReplaySettings, *, paced: bool
) -> Iterator[Asking]:
    """Open the trace's file, send its events and yield what became of the requests, in their order.

    `paced` keeps the typist's pauses: then a request may be overtaken by the next key. Without, an
    answer is waited for before the next event.
    """
    document = {"uri": uri, "languageId": "rust", "version": 0, "text": trace.text}
    server.notify("textDocument/didOpen", {"textDocument": document})
    waiting: list[tuple[int, float]] = []
    before, due = 0.0, time.perf_counter()
    for version, event in enumerate(trace.events, 1):
        if paced:
            pause = min(event.at_ms - before, settings.longest_pause_ms)
            before, due = event.at_ms, due + pause / 1e3 / settings.speed
            while waiting and time.perf_counter() < due:
                asking = _wait(server, waiting[0], due - time.perf_counter())
                if asking is None:
                    break
                waiting.pop(0)
                yield asking
            time.sleep(max(0.0, due - time.perf_counter()))
        request = _send(server, uri, version, event)
        if request is not None:
            waiting.append((request, time.perf_counter()))
            if not paced:
                yield _must(server, waiting.pop(0), settings.answer_s)
    for each in waiting:
        yield _must(server, each, settings.answer_s)
    server.notify("textDocument/didClose", {"textDocument": {"uri": uri}})


def _send(server: Server, uri: str, version: int, event: Event) -> int | None:
    if event.change is not None:
        document = {"uri": uri, "version": version}
        change = {"textDocument": document, "contentChanges": event.change}
        server.notify("textDocument/didChange", change)
        return None
    assert event.ask is not None
    asked = {"textDocument": {"uri": uri}, **event.ask}
    return server.request("textDocument/inlineCompletion", asked)


def _wait(server: Server, asked: tuple[int, float], seconds: float) -> Asking | None:
    request, sent = asked
    try:
        message = server.answer(request, max(seconds, 0.001))
    except M31RError:
        if server.process.poll() is not None:
            raise
        return None
    return Asking((time.perf_counter() - sent) * 1e3, _outcome(message))


def _must(server: Server, asked: tuple[int, float], seconds: float) -> Asking:
    asking = _wait(server, asked, seconds)
    return Asking(seconds * 1e3, "missing") if asking is None else asking


def _outcome(message: dict[str, Any]) -> str:
    if "error" in message:
        return "overtaken" if message["error"].get("code") in CANCELLED else "error"
    result = message.get("result")
    items = result.get("items", []) if isinstance(result, dict) else result or []
    return "shown" if items else "silent"


def _start(setup: ReplaySetup, trace: Trace) -> Server:
    server = Server(setup.command)
    # The server then chooses what it chose when the session was recorded.
    capabilities = {"general": {"positionEncodings": list(trace.encodings)}}
    parameters = {"processId": None, "rootUri": None, "capabilities": capabilities}
    try:
        server.answer(server.request("initialize", parameters), setup.settings.answer_s)
    except M31RError:
        server.__exit__()
        raise
    server.notify("initialized", {})
    return server


def _first_answer_ms(trace: Trace, setup: ReplaySetup) -> float:
    """Return the wall time from the start of a server to its first answer, without any pause."""
    begin = time.perf_counter()
    with _start(setup, trace) as server:
        next(play(server, trace, _uri(trace), setup.settings, paced=False))
        return (time.perf_counter() - begin) * 1e3


def _latency(trace: Trace, setup: ReplaySetup) -> Record:
    first_ms = _first_answer_ms(trace, setup)
    with _start(setup, trace) as server:
        askings = list(play(server, trace, _uri(trace), setup.settings, paced=True))
    outcomes = [asking.outcome for asking in askings]
    return {
        "id": trace.id,
        "path": trace.path,
        "asks": trace.asks,
        "timings": {
            "first_answer_ms": round(first_ms, 1),
            "answers_ms": [round(a.milliseconds, 3) for a in askings if a.outcome != "overtaken"],
            "outcomes": {name: outcomes.count(name) for name in sorted(set(outcomes))},
        },
    }


def _memory(trace: Trace, setup: ReplaySetup) -> Record:
    with _start(setup, trace) as server:
        pid = server.process.pid
        levels = [resident_mib(pid)]
        for number in range(setup.settings.repeats):
            uri = f"{_uri(trace)}?{number}"
            for count, _ in enumerate(play(server, trace, uri, setup.settings, paced=False)):
                if not number and not count:
                    levels.append(resident_mib(pid))
            levels.append(resident_mib(pid))
    return {
        "id": trace.id,
        "path": trace.path,
        "asks": trace.asks * setup.settings.repeats,
        "timings": {"resident_mib": [round(level, 2) for level in levels]},
    }


def _uri(trace: Trace) -> str:
    return f"file://{_FOLDER}/{trace.path}"


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process in units of 2**20 bytes.

    Raises M31RError where neither /proc nor `ps` says it.
    """
    status = Path(f"/proc/{pid}/status")
    try:
        for line in status.read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    except OSError:
        done = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        if done.returncode == 0 and done.stdout.strip().isdigit():
            return int(done.stdout) / 1024
    raise M31RError("how much memory the server holds cannot be found out here")


def _failed(trace: Trace, reason: str) -> Record:
    return {
        "id": trace.id,
        "path": trace.path,
        "asks": trace.asks,
        "crash": reason,
        "timings": {},
    }


def _head(suite: str, task_file: TaskFile[Trace], model_id: str, seed: int) -> Record:
    return {
        "suite": suite,
        "model_id": model_id,
        "tasks_sha256": task_file.sha256,
        "seed": seed,
        "n": len(task_file.tasks),
    }


def _summarise_latency(records: Sequence[Record], resamples: int, seed: int) -> Record:
    played = [record["timings"] for record in records if "crash" not in record]
    answers = [value for timings in played for value in timings["answers_ms"]]
    starts = [timings["first_answer_ms"] for timings in played]
    outcomes: dict[str, int] = {}
    for timings in played:
        for name, count in timings["outcomes"].items():
            outcomes[name] = outcomes.get(name, 0) + count
    low, high = bootstrap_interval(answers, resamples=resamples, seed=seed)
    return {
        "crashed": len(records) - len(played),
        "asks": sum(record["asks"] for record in records),
        "outcomes": dict(sorted(outcomes.items())),
        "latency_ms": percentiles(answers),
        "mean_ms": round(sum(answers) / len(answers), 3) if answers else 0.0,
        "ci95": {"mean_ms": [round(low, 3), round(high, 3)]},
        "first_answer_ms": percentiles(starts),
    }


def _summarise_memory(records: Sequence[Record]) -> Record:
    played = [record["timings"]["resident_mib"] for record in records if "crash" not in record]
    if not played:
        return {"crashed": len(records)}
    half = [levels[2 + (len(levels) - 2) // 2] for levels in played]
    return {
        "crashed": len(records) - len(played),
        "asks": sum(record["asks"] for record in records),
        "start_mib": round(percentile([levels[0] for levels in played], 0.5), 1),
        "first_answer_mib": round(percentile([levels[1] for levels in played], 0.5), 1),
        "end_mib": round(percentile([levels[-1] for levels in played], 0.5), 1),
        "peak_mib": round(max(max(levels) for levels in played), 1),
        "growth_of_second_half": round(
            percentile(
                [
                    last / middle - 1
                    for last, middle in zip((p[-1] for p in played), half, strict=True)
                ],
                0.5,
            ),
            4,
        ),
    }
