"""llama.cpp's own HTTP server in a process of its own; the package xllamacpp carries it.

    python benchmarks/_llama_server.py MODEL.gguf PORT THREADS CONTEXT

Prints its address, then serves until its standard input is closed.
"""

from __future__ import annotations

import sys

import xllamacpp


def main() -> int:
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
