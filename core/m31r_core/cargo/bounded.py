"""Run one process that may never end, print without end or leave children behind.

POSIX only: the process gets its own session, and all of its group is killed at the end.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

Limit = Literal["wall clock", "output", "cpu time", "file size", "memory", "processes", "disk"]
"""What a process was killed for."""

Watch = Callable[[int], Limit | None]
"""Asked now and then about the running process with this id; a limit's name kills it."""

_STEP = 0.05
_WATCH_EVERY = 0.1
_DRAIN = 0.2


@dataclass(frozen=True)
class Outcome:
    """How a process ended.

    `status` is the exit status, negative for a signal. `stdout` and `stderr` are cut where they
    reached the limit. `killed_by` names the limit that it met, None where it ended by itself.
    """

    status: int
    stdout: bytes
    stderr: bytes
    seconds: float
    killed_by: Limit | None = None

    @property
    def timed_out(self) -> bool:
        """Whether the wall clock ended it."""
        return self.killed_by == "wall clock"

    @property
    def ok(self) -> bool:
        """Whether it ended by itself and said so with status 0."""
        return self.status == 0 and self.killed_by is None


def run_bounded(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    seconds: float,
    output_bytes: int = 16 << 20,
    watch: Watch | None = None,
) -> Outcome:
    """Run `command` for at most `seconds`, keeping at most `output_bytes` of each stream.

    Its standard input is empty. Nothing of its process group is left when this returns. Raises
    OSError when the program cannot be started.
    """
    start = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    streams = {process.stdout: bytearray(), process.stderr: bytearray()}
    killed_by: Limit | None = None
    try:
        killed_by = _follow(process, streams, start + seconds, output_bytes, watch)
    finally:
        kill_group(process.pid)
        process.wait()
        for stream in streams:
            stream.close()
    stdout, stderr = (bytes(text[:output_bytes]) for text in streams.values())
    return Outcome(process.returncode, stdout, stderr, time.monotonic() - start, killed_by)


def kill_group(pid: int) -> None:
    """Kill the process group `pid`, if there is one."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _follow(
    process: subprocess.Popen[bytes],
    streams: Mapping[IO[bytes], bytearray],
    end: float,
    output_bytes: int,
    watch: Watch | None,
) -> Limit | None:
    """Read until the process is done or a limit is met; return the limit."""
    next_watch = time.monotonic() + _WATCH_EVERY
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ)
        exited = None
        while selector.get_map():
            now = time.monotonic()
            if exited is None and process.poll() is not None:
                # Whoever is left in the group holds the pipes open and would keep us waiting.
                kill_group(process.pid)
                exited = now
            if exited is not None and now > exited + _DRAIN:
                return None
            if now >= end:
                return "wall clock"
            if watch is not None and exited is None and now >= next_watch:
                if limit := watch(process.pid):
                    return limit
                next_watch = time.monotonic() + _WATCH_EVERY
            for key, _ in selector.select(min(_STEP, max(0.0, end - now))):
                text = streams[key.fileobj]  # type: ignore[index]
                chunk = os.read(key.fd, 1 << 16)
                text += chunk
                if not chunk:
                    selector.unregister(key.fileobj)
                elif len(text) > output_bytes:
                    return "output"
    while process.poll() is None:
        now = time.monotonic()
        if now >= end:
            return "wall clock"
        if watch is not None and now >= next_watch:
            if limit := watch(process.pid):
                return limit
            next_watch = now + _WATCH_EVERY
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(min(_STEP, end - now))
    return None
