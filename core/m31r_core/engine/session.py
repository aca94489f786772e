"""One ONNX Runtime session and the KV cache that its steps read and write in place."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from m31r_core.bundle import Bundle, BundleError

_MAX_THREADS = 4
_INPUTS = {"input_ids", "logit_rows", "last_position", "total_length"}


class Session:
    """The graph of a bundle, with a KV cache for one sequence of up to `context_length` tokens.

    Past and present of every layer are one buffer, bound once: a step writes the keys and values
    of its tokens behind those of the tokens before. Not thread-safe.
    """

    def __init__(self, bundle: Bundle, threads: int) -> None:
        """Load the graph. Raises BundleError naming the file when it is not what is announced."""
        manifest = bundle.manifest
        self.context_length = manifest.context_length
        self.vocab_size = manifest.vocab_size
        self.ids: list[int] = []
        self._session = _open(bundle.model, threads)
        sizes = manifest.architecture
        shape = (1, sizes.kv_heads, self.context_length, sizes.head_dim)
        names = [f"{i}.{part}" for i in range(sizes.layers) for part in ("key", "value")]
        self._check_graph(bundle.model, names, shape)
        self._binding = self._session.io_binding()
        self._cache = {name: np.zeros(shape, np.float32) for name in names}
        for name, buffer in self._cache.items():
            self._bind_input(f"past_key_values.{name}", buffer)
            self._bind_output(f"present.{name}", buffer)

    def forward(self, ids: Sequence[int], rows: Sequence[int]) -> NDArray[np.float32]:
        """Append `ids` to the sequence and return logits float32 [len(rows), V].

        `rows` are the places in `ids` whose next-token logits are wanted. Raises ValueError when
        the sequence would grow past the context length.
        """
        start, total = len(self.ids), len(self.ids) + len(ids)
        if total > self.context_length or not ids:
            raise ValueError(f"cannot append {len(ids)} tokens to {start} of {self.context_length}")
        inputs: dict[str, NDArray[Any]] = {
            "input_ids": np.array([ids], np.int64),
            "logit_rows": np.array(rows, np.int64),
            "last_position": np.array([total - 1], np.int32),
            "total_length": np.array(total, np.int32),
        }
        logits = np.empty((len(rows), self.vocab_size), np.float32)
        for name, value in inputs.items():
            self._bind_input(name, value)
        self._bind_output("logits", logits)
        self._session.run_with_iobinding(self._binding)
        self.ids += ids
        return logits

    def rewind(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        del self.ids[length:]

    def _check_graph(self, path: Path, names: list[str], shape: tuple[int, ...]) -> None:
        inputs = {node.name: node.shape for node in self._session.get_inputs()}
        outputs = {node.name: node.shape for node in self._session.get_outputs()}
        if missing := sorted(_INPUTS - inputs.keys()):
            raise BundleError(f"{path}: the graph has no input '{missing[0]}'; export it again")
        vocab_size = outputs.get("logits", [None])[-1]
        if vocab_size != self.vocab_size:
            raise BundleError(f"{path}: {vocab_size} logits where m31r.json says {self.vocab_size}")
        wanted = {f"past_key_values.{name}" for name in names}
        if {name for name in inputs if name.startswith("past_key_values.")} != wanted:
            raise BundleError(f"{path}: another number of layers than m31r.json says")
        for name in wanted:
            if (inputs[name][1], inputs[name][3]) != (shape[1], shape[3]):
                raise BundleError(f"{path}: {name} is {inputs[name]}, m31r.json says {list(shape)}")

    def _bind_input(self, name: str, array: NDArray[Any]) -> None:
        self._binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)

    def _bind_output(self, name: str, array: NDArray[Any]) -> None:
        self._binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)


def default_threads() -> int:
    """Return the number of cores this process may use, at most 4."""
    try:
        available = len(os.sched_getaffinity(0))
    except AttributeError:
        available = os.cpu_count() or 1
    return max(1, min(_MAX_THREADS, available))


def _open(path: Path, threads: int) -> ort.InferenceSession:
    # On Windows, where the variable that `m31r_core` sets is not looked for.
    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4  # what fails is raised; stderr belongs to the caller
    # Spinning workers are no faster on idle cores, and half as fast beside a busy rust-analyzer.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises classes of its own, without a common base
        first = str(error).splitlines()[0]
        raise BundleError(f"{path}: ONNX Runtime cannot load the model ({first})") from error
