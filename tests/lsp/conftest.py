"""A language client that speaks bytes, so that tests can send what no library would."""

from __future__ import annotations

import itertools
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

ROOT = Path(__file__).parents[2]
LIB = ROOT / "examples" / "src" / "lib.rs"

# Long enough for a busy machine; no test waits this long unless it fails.
PATIENCE_S = 60

Json = dict[str, Any]


class Wire:
    """A running m31r-lsp and the pipes to it."""

    def __init__(
        self,
        *arguments: str,
        command: list[str] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.process = subprocess.Popen(
            [*(command or [sys.executable, "-m", "m31r_lsp"]), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **(env or {})},
            cwd=cwd,
        )
        self.stdin = cast(BinaryIO, self.process.stdin)
        self.messages: list[Json] = []
        self.asked: list[Json] = []
        self._ids = itertools.count(1)
        self._arrived: queue.Queue[Json | None] = queue.Queue()
        self._responses: dict[int | str, Json] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        stdout = cast(BinaryIO, self.process.stdout)
        length = 0
        while header := stdout.readline():
            if header.lower().startswith(b"content-length:"):
                length = int(header.split(b":")[1])
            elif not header.strip() and length:
                self._arrived.put(json.loads(stdout.read(length)))
                length = 0
        self._arrived.put(None)

    def send_bytes(self, data: bytes) -> None:
        self.stdin.write(data)
        self.stdin.flush()

    def send_body(self, body: bytes) -> None:
        self.send_bytes(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    def notify(self, method: str, params: Any) -> None:
        self.send_body(_encode({"method": method, "params": params}))

    def request(self, method: str, params: Any) -> int:
        """Send a request and return its id without waiting."""
        number = next(self._ids)
        self.send_body(_encode({"id": number, "method": method, "params": params}))
        return number

    def response(self, number: int | str) -> Json:
        """Wait for the answer to a request."""
        while number not in self._responses:
            self._take()
        return self._responses.pop(number)

    def call(self, method: str, params: Any) -> Any:
        """Send a request, wait and return its result."""
        answer = self.response(self.request(method, params))
        assert "error" not in answer, answer
        return answer["result"]

    def wait_for(self, method: str) -> Json:
        """Wait for a notification from the server and return its params."""
        while True:
            for message in self.messages:
                if message["method"] == method:
                    self.messages.remove(message)
                    return cast(Json, message["params"])
            self._take()

    def _take(self) -> None:
        message = self._arrived.get(timeout=PATIENCE_S)
        if message is None:
            raise EOFError("the server closed its output")
        if "method" not in message:
            self._responses[message["id"]] = message
        elif "id" in message:
            self.asked.append(message)
            self.send_body(_encode({"id": message["id"], "result": None}))
        else:
            self.messages.append(message)

    def initialize(
        self,
        options: Json | None = None,
        *,
        root: Path | None = None,
        encodings: tuple[str, ...] = (),
        capabilities: Json | None = None,
    ) -> Json:
        capabilities = dict(capabilities or {})
        if encodings:
            capabilities["general"] = {"positionEncodings": list(encodings)}
        params = {
            "processId": os.getpid(),
            "rootUri": root.as_uri() if root else None,
            "capabilities": capabilities,
            "initializationOptions": options,
        }
        result = self.call("initialize", params)
        self.notify("initialized", {})
        return cast(Json, result)

    def open(self, uri: str, text: str) -> None:
        item = {"uri": uri, "languageId": "rust", "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})

    def change(self, uri: str, version: int, *changes: Json) -> None:
        document = {"uri": uri, "version": version}
        params = {"textDocument": document, "contentChanges": list(changes)}
        self.notify("textDocument/didChange", params)

    def ask(self, uri: str, line: int, character: int, *, by_hand: bool = False) -> int:
        """Send an inlineCompletion request and return its id."""
        return self.request("textDocument/inlineCompletion", inline(uri, line, character, by_hand))

    def ghost(self, uri: str, line: int, character: int, *, by_hand: bool = False) -> str | None:
        """Return the ghost text at a position, None where there is none."""
        items = self.response(self.ask(uri, line, character, by_hand=by_hand))["result"]["items"]
        return cast(str, items[0]["insertText"]) if items else None

    def save(self, uri: str) -> None:
        self.notify("textDocument/didSave", {"textDocument": {"uri": uri}})

    def close(self, uri: str) -> None:
        self.notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    def actions(self, uri: str, line: int, character: int = 0, **context: Any) -> list[Json]:
        """Return the code actions at a place, asked for by hand unless `context` says more."""
        return cast(
            list[Json], self.call("textDocument/codeAction", at(uri, line, character, **context))
        )

    def resolve(self, action: Json) -> Json:
        """Return the action with its edit."""
        return cast(Json, self.call("codeAction/resolve", action))

    def leave(self) -> int:
        """Shut down as an editor does and return the exit code."""
        self.call("shutdown", None)
        self.notify("exit", None)
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        with suppress(OSError):
            self.stdin.close()
        self.process.kill()
        self.process.wait()


def inline(uri: str, line: int, character: int, by_hand: bool = False) -> Json:
    return {
        "textDocument": {"uri": uri},
        "position": {"line": line, "character": character},
        "context": {"triggerKind": 1 if by_hand else 2},
    }


def at(uri: str, line: int, character: int = 0, **context: Any) -> Json:
    """The params of a codeAction request at one place; `token` is for its progress."""
    place = {"line": line, "character": character}
    token = context.pop("token", None)
    return {
        "textDocument": {"uri": uri},
        "range": {"start": place, "end": place},
        "context": {"diagnostics": [], "triggerKind": 1, **context},
        **({"workDoneToken": token} if token else {}),
    }


def _encode(message: Json) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode()


Start = Callable[..., Wire]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers that are killed when the test ends, were they not ended before."""
    started: list[Wire] = []

    def factory(*arguments: str, **options: Any) -> Wire:
        started.append(Wire(*arguments, **options))
        return started[-1]

    yield factory
    for wire in started:
        wire.kill()


SPEAK = {"completion": {"min_confidence": 0.0}}


@pytest.fixture(scope="session")
def server(bundle_path: Path) -> Iterator[Wire]:
    """A server shared by the tests that leave it as it was; it says whatever comes to its mind."""
    wire = Wire("--model", str(bundle_path), env={"M31R_DEBUG_REQUESTS": "1"})
    wire.initialize(SPEAK)
    yield wire
    wire.kill()


@pytest.fixture(scope="session")
def lively(server: Wire) -> tuple[str, int, int]:
    """A text with a place, as line and character, where the model has at least 3 letters to say."""
    text = LIB.read_text("utf-8")
    uri = "file:///lively.rs"
    for line, content in enumerate(text.split("\n")):
        character = len(content) - len(content.lstrip())
        if not content.strip() or content.lstrip().startswith("//"):
            continue
        lines = text.split("\n")
        lines[line] = content[:character]
        shortened = "\n".join(lines)
        server.open(uri, shortened)
        ghost = server.ghost(uri, line, character)
        if ghost and len(ghost) >= 3 and ghost.isascii() and ghost[:3].isalnum():
            return shortened, line, character
    pytest.fail("the model is silent everywhere")
