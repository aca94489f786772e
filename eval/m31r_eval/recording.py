"""Stand between an editor and its server, and write down what is typed and asked for.

The editor is told to start `m31r-eval record --out TRACE.jsonl -- m31r-lsp` in the server's place.
Every byte goes through unchanged; nothing is sent anywhere else.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from m31r_core.errors import M31RError
from m31r_eval.rpc import read_frame
from m31r_eval.tasks import write_tasks
from m31r_eval.traces import Event, Trace

_CHUNK = 1 << 16


class Recorder:
    """Makes traces of what a client sends, one for each document that it asked about."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._events: dict[str, list[Event]] = {}
        self._opened: dict[str, float] = {}
        self._encodings: tuple[str, ...] = ("utf-16",)

    def see(self, message: dict[str, Any], now: float) -> None:
        """Take in a message that the client sent at `now`, in seconds."""
        method, params = message.get("method"), message.get("params")
        if method == "initialize" and isinstance(params, dict):
            said = params["capabilities"].get("general", {}).get("positionEncodings")
            self._encodings = tuple(said or self._encodings)
        if not isinstance(params, dict) or not isinstance(params.get("textDocument"), dict):
            return
        uri = params["textDocument"].get("uri")
        if method == "textDocument/didOpen":
            self._texts[uri] = params["textDocument"]["text"]
            self._events[uri], self._opened[uri] = [], now
        elif uri in self._events:
            at_ms = (now - self._opened[uri]) * 1e3
            if method == "textDocument/didChange":
                self._events[uri].append(Event(at_ms, change=params["contentChanges"]))
            elif method == "textDocument/inlineCompletion":
                ask = {"position": params["position"], "context": params["context"]}
                self._events[uri].append(Event(at_ms, ask=ask))

    def traces(self, name: str) -> list[Trace]:
        """Return the traces of documents that were asked about, called `name` and a number."""
        found: list[Trace] = []
        for uri, events in self._events.items():
            if any(event.ask is not None for event in events):
                # No folder of this machine: the last two parts of the path.
                parts = unquote(urlsplit(uri).path).split("/")[-2:]
                text = self._texts[uri]
                here = "/".join(parts)
                called = f"{name}-{len(found)}"
                found.append(Trace(called, here, text, tuple(events), self._encodings))
        return found


def record(command: Sequence[str], out: Path) -> int:
    """Run the server `command` for the editor at our standard input and output; return its status.

    The traces stand in `out` when it ends. Raises M31RError where there is no such program.
    """
    try:
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    except OSError as error:
        raise M31RError(f"{command[0]}: {error.strerror}") from error
    assert server.stdin is not None
    assert server.stdout is not None
    recorder = Recorder()
    answers = threading.Thread(target=_pass_on, args=(server.stdout.fileno(),), daemon=True)
    answers.start()
    with contextlib.suppress(OSError):
        _listen(sys.stdin.buffer, server.stdin, recorder)  # type: ignore[arg-type]
    with contextlib.suppress(OSError):
        server.stdin.close()
    try:
        status = server.wait(10.0)
    except subprocess.TimeoutExpired:
        server.kill()
        status = server.wait()
    answers.join(5.0)
    if traces := recorder.traces(out.stem):
        write_tasks(out, traces)
    return status


def _listen(client: BinaryIO, server: BinaryIO, recorder: Recorder) -> None:
    while (body := read_frame(client)) is not None:
        server.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        server.flush()
        with contextlib.suppress(ValueError, KeyError, TypeError):
            message = json.loads(body)
            recorder.see(message, time.monotonic())
            if message.get("method") == "exit":
                return


def _pass_on(source: int) -> None:
    with contextlib.suppress(OSError):
        while chunk := os.read(source, _CHUNK):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
