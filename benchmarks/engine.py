"""What decoding costs beside what it must cost on this machine.

    python benchmarks/engine.py --json engine.json
    python benchmarks/engine.py --model DIR --threads 2

The machine: how fast its cores read memory, and multiply matrices of 8 bits (with MLAS, and with
the product of ONNX Runtime that the bundle uses) and of 32. The floor of a decode step: the bytes
of weights, keys and values that it reads, over the bandwidth of memory; of a prefill: its
operations over the best of those rates. A small model lies in the processor's cache and can be
faster than memory; the floor says so with a second column.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._machine import machine

from m31r_core.bundle import Bundle, load_bundle, shipped_bundle
from m31r_core.engine import Completer, CompletionRequest, Engine, default_threads
from m31r_core.engine.session import CHUNK, Session

FILE = Path(__file__).parent / "data" / "desk.rs"
PLACE = "    /// Lets days go by.\n"
TYPED = "    pub fn titles_with(&self, letter: char) -> Vec<&str> {\n        let mut titles = "
LENGTHS = (64, 256, 512, 1024)
_MEMORY_BYTES = 256 << 20
_CACHE_BYTES = 8 << 20
_ROUNDS = 7


@dataclass(frozen=True)
class Rates:
    """Of the machine: bytes a second from memory and from cache, operations a second."""

    memory: float
    cache: float
    int8: float
    nbits8: float
    nbits4: float
    fp32: float


@dataclass(frozen=True)
class Row:
    """Something measured, its floor, both in ms, and how many times the floor it is."""

    what: str
    measured_ms: float
    floor_ms: float
    ratio: float
    cached_floor_ms: float | None = None


def main() -> int:
    arguments = _parser().parse_args()
    bundle = load_bundle(arguments.model or shipped_bundle())
    threads = arguments.threads or default_threads()
    rates = measure_rates(threads)
    engine = Engine.load(bundle, threads=threads)
    rows = [*prefills(engine, rates), *decodes(engine, rates), keystroke(engine, rates)]
    _print(bundle, threads, rates, rows)
    if arguments.json:
        report = {
            "machine": machine() | {"rates": asdict(rates), "threads": threads},
            "rows": [asdict(row) for row in rows],
            "ratios": {row.what: row.ratio for row in rows},
        }
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return 0


def measure_rates(threads: int) -> Rates:
    """Measure the machine with as many threads as the engine uses."""
    return Rates(
        memory=_bandwidth(_MEMORY_BYTES, threads),
        cache=_bandwidth(_CACHE_BYTES, threads),
        int8=_product_rate("int8", threads),
        nbits8=_product_rate("nbits8", threads),
        nbits4=_product_rate("nbits4", threads),
        fp32=_product_rate("fp32", threads),
    )


def prefills(engine: Engine, rates: Rates) -> list[Row]:
    """Time prefills of an empty cache."""
    ids = _tokens(engine, max(LENGTHS))
    session, rows = Session(engine.graph), []
    for length in _lengths(engine):

        def prefill(length: int = length) -> None:
            session.rewind(0)
            session.prefill(ids[:length])

        products, attention = _operations(engine.bundle, length)
        best = max(rates.int8, rates.nbits8, rates.fp32)
        floor = products / best + attention / rates.fp32
        rows.append(_row(f"prefill {length}", _median(prefill), floor))
    return rows


def decodes(engine: Engine, rates: Rates) -> list[Row]:
    """Time steps behind contexts: of one token, and of a draft of seven and one."""
    ids = _tokens(engine, max(LENGTHS))
    session, rows = Session(engine.graph), []
    for length in _lengths(engine):
        length = min(length, session.context_length - 16)
        session.rewind(0)
        session.prefill(ids[:length])
        for tokens in (1, 8):

            def step(tokens: int = tokens, length: int = length) -> None:
                session.rewind(length)
                session.forward(ids[:tokens], range(tokens))

            read = _weight_bytes(engine.bundle) + length * engine.graph.bytes_per_token
            name = f"decode {tokens} behind {length}"
            took = _median(step, each=10)
            rows.append(_row(name, took, read / rates.memory, read / rates.cache))
    return rows


def keystroke(engine: Engine, rates: Rates) -> Row:
    """Time what follows a key: one token more, and the rest of a line."""
    text = FILE.read_text("utf-8")
    cut = text.index(PLACE) + len(PLACE)
    completer, took, floors = Completer(engine), list[float](), list[float]()
    for end in range(len(TYPED) - 40, len(TYPED)):
        request = CompletionRequest("src/lib.rs", text[:cut] + TYPED[:end], text[cut:])
        begin = time.perf_counter()
        answer = completer.complete(request).generation
        took.append(time.perf_counter() - begin)
        context = answer.prefill_tokens + answer.reused_tokens
        read = _weight_bytes(engine.bundle) + context * engine.graph.bytes_per_token
        # Without drafts each token that is written is a step.
        floors.append(read / rates.memory * (1 + len(answer.ids)))
    return _row("keystroke", statistics.median(took), statistics.median(floors))


def _row(what: str, took: float, floor: float, cached: float | None = None) -> Row:
    cached_ms = None if cached is None else round(cached * 1e3, 3)
    return Row(what, round(took * 1e3, 3), round(floor * 1e3, 3), round(took / floor, 2), cached_ms)


def _lengths(engine: Engine) -> list[int]:
    return [min(length, engine.graph.context_length) for length in LENGTHS]


def _tokens(engine: Engine, count: int) -> list[int]:
    ids = engine.tokenizer.encode(FILE.read_text("utf-8"))
    return (ids * (count // len(ids) + 1))[:count]


def _operations(bundle: Bundle, length: int) -> tuple[float, float]:
    """Return the operations of a prefill in products with weights, and in attention."""
    sizes, manifest = bundle.manifest.architecture, bundle.manifest
    width = sizes.head_dim * (2 * sizes.heads + 2 * sizes.kv_heads)
    layer = sizes.hidden_size * (width + 3 * sizes.intermediate_size)
    products = 2.0 * sizes.layers * layer * length + 2.0 * sizes.hidden_size * manifest.vocab_size
    # Each token looks at those before it: half of all pairs.
    attention = 4.0 * sizes.layers * sizes.heads * sizes.head_dim * length * (length + 1) / 2
    return products, attention


def _weight_bytes(bundle: Bundle) -> int:
    """Return what a step reads of the weights: all of them."""
    return sum(file.stat().st_size for file in bundle.path.glob("model.onnx*"))


def _bandwidth(size: int, threads: int) -> float:
    """Return bytes a second that `threads` threads read from buffers of `size` bytes together."""
    parts = [np.ones(size // threads, np.uint8) for _ in range(threads)]
    passes = max(1, _MEMORY_BYTES // size)
    barrier = threading.Barrier(threads)
    times: list[tuple[float, float]] = []

    def read(part: NDArray[np.uint8]) -> None:
        for _ in range(_ROUNDS):
            barrier.wait()
            begin = time.perf_counter()
            for _ in range(passes):
                part.max()
            times.append((begin, time.perf_counter()))
            barrier.wait()

    workers = [threading.Thread(target=read, args=(part,)) for part in parts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    rounds = [times[i : i + threads] for i in range(0, len(times), threads)]
    walls = [max(end for _, end in each) - min(begin for begin, _ in each) for each in rounds]
    return size * passes / statistics.median(walls)


def _product_rate(kind: str, threads: int, rows: int = CHUNK, size: int = 1024) -> float:
    """Return operations a second of products [rows, size] x [size, size]."""
    random = np.random.default_rng(0)
    codes = random.integers(0, 255, (size, size), dtype=np.uint8)
    scales = np.ones(size, np.float32)
    if kind == "fp32":
        node = helper.make_node("MatMul", ["x", "w"], ["y"])
        constants: dict[str, NDArray[np.generic]] = {"w": codes.astype(np.float32)}
    elif kind == "int8":
        node = helper.make_node(
            "DynamicQuantizeMatMul", ["x", "w", "s"], ["y"], domain="com.microsoft"
        )
        constants = {"w": codes, "s": scales}
    else:
        bits, block = int(kind[-1]), 256 if kind == "nbits8" else 32
        data = codes.reshape(size, size // block, block)[..., : block * bits // 8]
        constants = {
            "w": np.ascontiguousarray(data),
            "s": np.ones((size, size // block), np.float32),
        }
        node = helper.make_node(
            "MatMulNBits",
            ["x", "w", "s"],
            ["y"],
            domain="com.microsoft",
            K=size,
            N=size,
            bits=bits,
            block_size=block,
            accuracy_level=4,
        )
    session = _session(node, constants, threads)
    x = random.normal(size=(rows, size)).astype(np.float32)
    took = _median(lambda: session.run(None, {"x": x}), each=10)
    return 2.0 * rows * size * size / took


def _session(
    node: onnx.NodeProto, constants: dict[str, NDArray[np.generic]], threads: int
) -> ort.InferenceSession:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node],
        "product",
        [value("x", TensorProto.FLOAT, ["rows", "size"])],
        [value("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(model.SerializeToString(), options)


def _median(action: Callable[[], object], each: int = 1) -> float:
    """Return the median of several times in seconds, after a first that does not count."""
    action()
    times = []
    for _ in range(_ROUNDS * each):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def _print(bundle: Bundle, threads: int, rates: Rates, rows: Sequence[Row]) -> None:
    manifest = bundle.manifest
    console = Console()
    console.print(f"{manifest.model_id}, {manifest.quant}, {threads} threads")
    console.print(
        f"memory {rates.memory / 1e9:.1f} GB/s, cache {rates.cache / 1e9:.1f} GB/s; "
        f"products in GOP/s: int8 {rates.int8 / 1e9:.0f}, int8 by blocks {rates.nbits8 / 1e9:.0f}, "
        f"int4 by blocks {rates.nbits4 / 1e9:.0f}, fp32 {rates.fp32 / 1e9:.0f}"
    )
    table = Table("", "measured ms", "floor ms", "ratio", "floor in cache ms")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        cached = "" if row.cached_floor_ms is None else f"{row.cached_floor_ms:.2f}"
        table.add_row(
            row.what, f"{row.measured_ms:.2f}", f"{row.floor_ms:.2f}", f"{row.ratio:.2f}", cached
        )
    console.print(table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, metavar="DIR", help="default: what ships")
    parser.add_argument("--threads", type=int, metavar="N", help="default: the engine's")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE")
    return parser


if __name__ == "__main__":
    sys.exit(main())
