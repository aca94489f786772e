"""Whatever comes in, the server lives, or ends without a trace."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from tests.lsp.conftest import Json, Start, Wire

Lively = tuple[str, int, int]
URI = "file:///bad.rs"
PATIENCE_S = 60


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"3",
        b'"\xff\xfe"',
        b'{"jsonrpc": "2.0"}',
        b'{"jsonrpc": "2.0", "method": 7}',
        b'{"jsonrpc": "1.0", "id": 1, "method": "shutdown"}',
        b'{"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {}}',
        b'{"jsonrpc": "2.0", "method": "textDocument/didChange", "params": null}',
        b'{"jsonrpc": "2.0", "method": "nobody/knows", "params": {}}',
        b'{"jsonrpc": "2.0", "id": 999999, "result": null}',
        b'{"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 999999}}',
        b'{"jsonrpc": "2.0", "method": "workspace/didChangeConfiguration", "params": 3}',
        b"[" * 100_000,
    ],
)
def test_broken_messages(server: Wire, body: bytes) -> None:
    server.send_body(body)
    assert alive(server)


def test_broken_headers(server: Wire) -> None:
    server.send_bytes(b"\r\nnonsense\r\nContent-Length: x\r\n\r\n\xff\xff\r\n")
    assert alive(server)


@pytest.mark.parametrize(
    ("method", "code"), [("textDocument/inlineCompletion", -32602), ("nobody/knows", -32601)]
)
def test_a_request_that_cannot_be_read_is_answered(server: Wire, method: str, code: int) -> None:
    answer = server.response(server.request(method, {"position": "here"}))
    assert answer["error"]["code"] == code


@pytest.mark.parametrize("line", [-1, 0, 2, 3, 10**6, 2**32 - 1])
@pytest.mark.parametrize("character", [-7, 0, 5, 10**6, 2**40])
def test_positions_that_do_not_exist(server: Wire, line: int, character: int) -> None:
    server.open(URI, "fn main() {\n    let a = 1;\n}\n")
    answer = server.response(server.ask(URI, line, character))
    assert "result" in answer


def test_a_range_to_the_largest_number_replaces_everything(server: Wire) -> None:
    server.open(URI, "one\ntwo\n")
    most = {"line": 2**32 - 1, "character": 2**32 - 1}
    where = {"start": {"line": 0, "character": 0}, "end": most}
    server.change(URI, 2, {"range": where, "text": "three"})
    assert server.call("m31r/documentText", {"uri": URI})["text"] == "three"


def test_edits_of_a_document_that_is_not_open(server: Wire) -> None:
    server.change("file:///not-open.rs", 2, {"text": "x"})
    server.notify("textDocument/didClose", {"textDocument": {"uri": "file:///not-open.rs"}})
    assert alive(server)


def test_five_megabytes(server: Wire) -> None:
    line = "    let value_of_a_long_name = compute(0x1234, &[1, 2, 3]);\n"
    text = "fn main() {\n" + line * (5_000_000 // len(line)) + "}\n"
    server.open(URI, text)
    for version in range(2, 12):
        at = {"line": 40_000, "character": 4}
        server.change(URI, version, {"range": {"start": at, "end": at}, "text": "x"})
        assert server.ghost(URI, 40_000, 5) is None
    assert len(server.call("m31r/documentText", {"uri": URI})["text"]) == len(text) + 10
    server.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
    assert alive(server)


def test_one_long_line(server: Wire) -> None:
    server.open(URI, "const A: &[u8] = &[" + "1, " * 60_000 + "];\n")
    assert "result" in server.response(server.ask(URI, 0, 180_000))


@pytest.mark.parametrize("damage", ["model.onnx", "tokenizer.json", "m31r.json", "gone"])
def test_a_damaged_bundle(start: Start, bundle_path: Path, tmp_path: Path, damage: str) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(bundle_path, bundle)
    if damage == "gone":
        shutil.rmtree(bundle)
    else:
        data = bytearray((bundle / damage).read_bytes())
        data[len(data) // 2] ^= 0xFF
        (bundle / damage).write_bytes(data)
    wire = start("--model", str(bundle))
    wire.initialize()
    message = wire.wait_for("window/showMessage")["message"]
    assert str(bundle / ("m31r.json" if damage == "gone" else damage)) in message
    assert "\n" not in message
    wire.open(URI, "fn main() {\n    \n}\n")
    assert wire.ghost(URI, 1, 4) is None
    place = {"textDocument": {"uri": URI}, "position": {"line": 1, "character": 4}}
    assert wire.call("textDocument/completion", place)["items"] == []
    assert wire.leave() == 0


def test_a_client_that_dies_in_the_middle_of_a_request(
    start: Start, bundle_path: Path, lively: Lively
) -> None:
    wire = start("--model", str(bundle_path))
    wire.initialize()
    text, line, character = lively
    wire.open(URI, text)
    wire.ask(URI, line, character)
    wire.send_bytes(b"Content-Length: 1000\r\n\r\n{")
    wire.stdin.close()
    assert wire.process.wait(PATIENCE_S) == 1


def test_a_client_that_dies_while_the_model_loads(start: Start, bundle_path: Path) -> None:
    wire = start("--model", str(bundle_path))
    wire.initialize()
    wire.stdin.close()
    assert wire.process.wait(PATIENCE_S) == 1


def test_exit_without_shutdown(start: Start, bundle_path: Path) -> None:
    wire = start("--model", str(bundle_path))
    wire.initialize()
    wire.notify("exit", None)
    assert wire.process.wait(PATIENCE_S) == 1


def test_ctrl_c(start: Start, bundle_path: Path) -> None:
    wire = start("--model", str(bundle_path))
    wire.initialize()
    wire.process.send_signal(signal.SIGINT)
    assert wire.process.wait(PATIENCE_S) == -signal.SIGINT


def test_an_editor_that_is_killed_leaves_no_server(bundle_path: Path) -> None:
    """The pipes stay open here, in this process: only the editor's id tells."""
    editor = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    server = subprocess.Popen(
        [sys.executable, "-m", "m31r_lsp", "--model", str(bundle_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        params: Json = {"processId": editor.pid, "rootUri": None, "capabilities": {}}
        body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
        data = json.dumps(body).encode()
        assert server.stdin
        assert server.stdout
        server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        server.stdin.flush()
        assert server.stdout.readline().startswith(b"Content-Length")
        os.kill(editor.pid, signal.SIGKILL)
        editor.wait()
        assert server.wait(PATIENCE_S) == 1
    finally:
        editor.kill()
        server.kill()


@pytest.mark.parametrize("goodbye", ["exit", "hangs up", "in the middle"])
def test_tcp(bundle_path: Path, goodbye: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "m31r_lsp", "--tcp", f"127.0.0.1:{port}"]
    server = subprocess.Popen([*command, "--model", str(bundle_path)], stderr=subprocess.DEVNULL)
    try:
        with connect(port) as client:
            params: Json = {"processId": None, "rootUri": None, "capabilities": {}}
            tell(client, {"id": 1, "method": "initialize", "params": params})
            assert b"capabilities" in client.recv(65536)
            if goodbye == "exit":
                tell(client, {"id": 2, "method": "shutdown"})
                client.recv(65536)
                tell(client, {"method": "exit"})
            elif goodbye == "in the middle":
                client.sendall(b"Content-Length: 1000\r\n\r\n{")
        assert server.wait(PATIENCE_S) == (0 if goodbye == "exit" else 1)
    finally:
        server.kill()


@pytest.mark.parametrize("goodbye", ["exit", "hangs up"])
def test_websocket(bundle_path: Path, goodbye: str) -> None:
    client_module = pytest.importorskip("websockets.sync.client")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "m31r_lsp", "--ws", f"127.0.0.1:{port}"]
    server = subprocess.Popen([*command, "--model", str(bundle_path)], stderr=subprocess.DEVNULL)
    try:
        with client_module.connect("ws://127.0.0.1", sock=connect(port)) as client:
            params: Json = {"processId": None, "rootUri": None, "capabilities": {}}
            request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
            client.send(json.dumps(request))
            assert "capabilities" in json.loads(client.recv())["result"]
            if goodbye == "exit":
                client.send('{"jsonrpc": "2.0", "id": 2, "method": "shutdown"}')
                client.recv()
                client.send('{"jsonrpc": "2.0", "method": "exit"}')
        assert server.wait(PATIENCE_S) == (0 if goodbye == "exit" else 1)
    finally:
        server.kill()


def connect(port: int) -> socket.socket:
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.05)


def tell(client: socket.socket, message: Json) -> None:
    data = json.dumps({"jsonrpc": "2.0", **message}).encode()
    client.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))


def test_nothing_is_left_running(start: Start, bundle_path: Path) -> None:
    wire = start("--model", str(bundle_path))
    wire.initialize()
    children = psutil.Process(wire.process.pid).children(recursive=True)
    assert wire.leave() == 0
    assert not any(child.is_running() for child in children)


def alive(server: Wire) -> bool:
    return server.call("m31r/documentText", {"uri": "file:///nowhere.rs"}) is None
