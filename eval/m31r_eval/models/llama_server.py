"""llama.cpp's own HTTP server, in a process of its own.

It is the program `llama-server` where that is on PATH, or else what the Python package xllamacpp
carries; then this file runs as a program, until its standard input is closed:

    python -m m31r_eval.models.llama_server MODEL.gguf PORT THREADS CONTEXT
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from m31r_core.errors import M31RError

_START_S = 60.0
_END_S = 5.0


class LlamaServer:
    """llama.cpp's server in a process of its own. `pid` is its process."""

    def __init__(self, model: Path, threads: int, context: int, *, installed: bool = False) -> None:
        """Start it and wait until it answers; `installed` prefers `llama-server` on PATH.

        Raises M31RError where there is neither, or it does not start.
        """
        if not model.is_file():
            raise M31RError(f"{model}: no such file")
        port = _free_port()
        self._process = subprocess.Popen(
            _command(model, port, threads, context, installed=installed),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.pid = self._process.pid
        self._http = http.client.HTTPConnection("127.0.0.1", port)
        end = time.monotonic() + _START_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > end:
                self.close()
                raise M31RError(f"{model}: llama.cpp's server does not start with it")
            time.sleep(0.05)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request. Raises M31RError with what the server complains of."""
        return self._must("POST", path, json.dumps(body).encode())

    def get(self, path: str) -> dict[str, Any]:
        """Return what the server says of itself. Raises M31RError as `post`."""
        return self._must("GET", path, None)

    def close(self) -> None:
        """End the process."""
        self._http.close()
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _must(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        try:
            response = self._ask(method, path, body)
        except (http.client.HTTPException, OSError):
            # The server closes a connection on which nothing was said for a while.
            self._http.close()
            response = self._ask(method, path, body)
        answer: dict[str, Any] = json.loads(response.read())
        if response.status != 200:
            said = answer.get("error", answer)
            said = said.get("message", said) if isinstance(said, dict) else said
            raise M31RError(f"llama.cpp's server: {path}: {said}")
        return answer

    def _ask(self, method: str, path: str, body: bytes | None) -> http.client.HTTPResponse:
        self._http.request(method, path, body, {"Content-Type": "application/json"})
        return self._http.getresponse()

    def _is_ready(self) -> bool:
        try:
            self._http.request("GET", "/health")
            response = self._http.getresponse()
            response.read()
        except OSError:
            self._http.close()
            return False
        return response.status == 200


def _command(model: Path, port: int, threads: int, context: int, *, installed: bool) -> list[str]:
    found = shutil.which("llama-server") if installed else None
    if found is not None:
        # It would outlive us: it does not look at its standard input.
        command = ["sh", "-c", '"$@" & served=$!; cat; kill $served', "sh", found]
        command += ["--model", str(model), "--host", "127.0.0.1", "--port", str(port)]
        command += ["--ctx-size", str(context), "--parallel", "1", "--threads", str(threads)]
        return command
    if importlib.util.find_spec("xllamacpp") is None:
        raise M31RError("no llama.cpp here: put llama-server on PATH, or pip install xllamacpp")
    program = [sys.executable, "-m", "m31r_eval.models.llama_server"]
    return [*program, str(model), str(port), str(threads), str(context)]


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
