"""JSON-RPC messages as the Language Server Protocol frames them, and a server to talk to."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
from collections.abc import Sequence
from typing import Any, BinaryIO

from m31r_core.errors import M31RError

Message = dict[str, Any]


def read_frame(stream: BinaryIO) -> bytes | None:
    """Return the body of the next message; None at the end of the stream."""
    length = None
    while line := stream.readline():
        if line == b"\r\n":
            if length is None:
                return None
            body = stream.read(length)
            return body if len(body) == length else None
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            length = int(value)
    return None


def frame(message: Message) -> bytes:
    """Return the message with its header."""
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


class Server:
    """A language server over pipes. A context manager that ends it politely, or else kills it."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start it. Raises M31RError where there is no such program."""
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise M31RError(f"{command[0]}: {error.strerror}") from error
        self._ids = 0
        self._answers: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._early: dict[int, Message] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(M31RError, OSError, ValueError):
            if self.process.poll() is None:
                self.answer(self.request("shutdown", None), 5.0)
                self.notify("exit", None)
                self.process.wait(5.0)
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def notify(self, method: str, params: Any) -> None:
        """Tell the server something."""
        self._send({"method": method, "params": params})

    def request(self, method: str, params: Any) -> int:
        """Ask the server something; return the id that its answer will have."""
        self._ids += 1
        self._send({"id": self._ids, "method": method, "params": params})
        return self._ids

    def answer(self, request: int, seconds: float) -> Message:
        """Return the answer to a request. Raises M31RError without one in `seconds`."""
        while request not in self._early:
            try:
                message = self._answers.get(timeout=seconds)
            except queue.Empty:
                raise M31RError(f"no answer from the server within {seconds:g} s") from None
            if message is None:
                raise M31RError("the server has ended")
            self._early[message["id"]] = message
        return self._early.pop(request)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while (body := read_frame(self.process.stdout)) is not None:  # type: ignore[arg-type]
                message = json.loads(body)
                if "id" not in message:
                    continue
                if "method" in message:
                    # What a client must answer: configuration, progress, registrations.
                    many = message["method"] == "workspace/configuration"
                    items = len(message["params"]["items"]) if many else 0
                    self._send({"id": message["id"], "result": [None] * items if many else None})
                else:
                    self._answers.put(message)
        self._answers.put(None)

    def _send(self, message: Message) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(frame(message))
            self.process.stdin.flush()
        except OSError as error:
            raise M31RError("the server has ended") from error
