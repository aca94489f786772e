"""Ask one process in the sandbox many things, where starting one for each would cost too much.

Question and answer are frames: four bytes of length, big-endian, and that many bytes.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from m31r_core.cargo.bounded import Limit, kill_group
from m31r_core.cargo.sandbox import Sandbox
from m31r_core.cargo.watching import Ceiling
from m31r_core.closing import Closing

_STEP = 0.05
_WATCH_EVERY = 0.2


class DialogueError(Exception):
    """The process gave no answer and is gone. `limit` is what it was killed for, or None."""

    def __init__(self, message: str, limit: Limit | None = None) -> None:
        """Say why in `message`."""
        super().__init__(message)
        self.limit = limit


class Dialogue(Closing):
    """A command that answers frames from standard input on standard output. A context manager.

    It runs as `Sandbox.run` says, with the sandbox's limits but the wall clock, which each question
    sets for itself. Nothing of it is left after `close` or DialogueError.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        command: Sequence[str],
        *,
        cwd: Path,
        read: Sequence[Path] = (),
        write: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start it. Raises SandboxError as `Sandbox.wrap`, OSError where it cannot be started."""
        limits = sandbox.limits
        self._output_bytes = limits.output_mb << 20
        self._ceiling = Ceiling(
            processes=limits.processes,
            memory_bytes=limits.total_memory_mb << 20,
            folder=write,
            disk_bytes=limits.disk_mb << 20,
            disk_files=limits.disk_files,
        )
        self._process = subprocess.Popen(
            sandbox.wrap(command, cwd=cwd, read=read, write=write, env=env),
            cwd=Path("/") if sandbox.has_walls else cwd,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        self._next_watch = 0.0

    def close(self) -> None:
        """End it and all that it started."""
        kill_group(self._process.pid)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def ask(self, question: bytes, seconds: float) -> bytes:
        """Return the answer. Raises DialogueError without one in `seconds`, or at a limit."""
        try:
            return self._ask(question, time.monotonic() + seconds)
        except (DialogueError, OSError) as error:
            self.close()
            if isinstance(error, DialogueError):
                raise
            raise DialogueError("the process has ended") from error

    def _ask(self, question: bytes, end: float) -> bytes:
        left = memoryview(len(question).to_bytes(4, "big") + question)
        answer = bytearray()
        size: int | None = None
        with selectors.DefaultSelector() as selector:
            selector.register(self._in, selectors.EVENT_WRITE)
            selector.register(self._out, selectors.EVENT_READ)
            while size is None or len(answer) < 4 + size:
                self._must_go_on(end)
                for key, _ in selector.select(_STEP):
                    if key.fd == self._in:
                        left = left[os.write(self._in, left[: 1 << 16]) :]
                        if not left:
                            selector.unregister(self._in)
                        continue
                    chunk = os.read(self._out, 1 << 16)
                    if not chunk:
                        raise DialogueError("the process has ended")
                    answer += chunk
                    if size is None and len(answer) >= 4:
                        size = int.from_bytes(answer[:4], "big")
                        if size > self._output_bytes:
                            raise DialogueError("the answer is too long", "output")
        if left or len(answer) != 4 + size:
            raise DialogueError("that is no answer to the question")
        return bytes(answer[4:])

    def _must_go_on(self, end: float) -> None:
        now = time.monotonic()
        if now >= end:
            raise DialogueError("no answer in time", "wall clock")
        if now >= self._next_watch:
            if limit := self._ceiling.met(self._process.pid):
                raise DialogueError(f"limit met: {limit}", limit)
            self._next_watch = time.monotonic() + _WATCH_EVERY
