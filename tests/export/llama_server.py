"""llama.cpp's own HTTP server, in a process of its own; the package xllamacpp carries it.

Run as a program it serves until its standard input is closed:

    python tests/export/llama_server.py MODEL.gguf PORT THREADS CONTEXT
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any


class LlamaServer:
    """llama.cpp's server in a process of its own. `pid` is its process."""

    def __init__(self, model: Path, threads: int, context: int) -> None:
        """Start it and wait until it answers."""
        program = [sys.executable, __file__]
        self._process = subprocess.Popen(
            [*program, str(model), str(_free_port()), str(threads), str(context)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.pid = self._process.pid
        assert self._process.stdout is not None
        self._address = self._process.stdout.readline().strip()
        if not self._address:
            raise SystemExit("llama.cpp's server did not start; pip install xllamacpp")
        host, _, port = self._address.removeprefix("http://").partition(":")
        self._connection = _Connection(host, int(port))

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request."""
        return self._connection.post(path, body)

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.kill()
        self._process.wait()


class _Connection:
    """HTTP with one connection that stays open, as an editor's plugin keeps it."""

    def __init__(self, host: str, port: int) -> None:

        self._http = http.client.HTTPConnection(host, port)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._http.request(
            "POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        response = self._http.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
        if response.status != 200:
            raise SystemExit(f"llama.cpp's server: {path}: {answer}")
        return answer

    def close(self) -> None:
        self._http.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> int:
    """Serve."""
    import xllamacpp

    path, port, threads, context = sys.argv[1:5]
    parameters = xllamacpp.CommonParams()
    parameters.model.path = path
    parameters.port = int(port)
    parameters.n_ctx = int(context)
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = int(threads)
    parameters.cpuparams_batch.n_threads = int(threads)
    parameters.ui = False
    parameters.cache_ram_mib = 0
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
