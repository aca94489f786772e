"""Keys and values of sequences that advance together, read and written in place by the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from m31r_core.engine.graph import Graph
from m31r_core.engine.stop import Stop

# Steps of up to this many tokens keep their bindings: they come for every token that is written.
_KEPT_TOKENS = 16


class StoppedError(Exception):
    """A step was told to end before it was done; the sequence is as it was before."""


class KVCache:
    """Buffers for `sequences` sequences of up to the context length. Not thread-safe.

    Past and present of every layer are one buffer [sequences, kv_heads, context, head_dim],
    float32, bound once: a step writes its tokens' keys and values behind those before.
    """

    def __init__(self, graph: Graph, sequences: int = 1) -> None:
        """Take the memory at once: what is used does not grow while a file does."""
        self.graph = graph
        self.sequences = sequences
        shape = (sequences, graph.kv_heads, graph.context_length, graph.head_dim)
        self.buffers = {name: np.full(shape, 0, np.float32) for name in graph.caches}
        self._kept: dict[tuple[int, int], _Step] = {}

    def step(
        self,
        ids: Sequence[Sequence[int]],
        rows: Sequence[int],
        start: int,
        stop: Stop | None = None,
    ) -> NDArray[np.float32]:
        """Write `ids`, [sequences, S], at place `start` of each sequence.

        Returns next-token logits float32 [sequences, len(rows), V] behind the places `rows` of S.
        Raises StoppedError when `stop` is set before the end.
        """
        length = len(ids[0])
        key = (length, len(rows))
        step = self._kept.get(key) or _Step(self, *key)
        if length <= _KEPT_TOKENS:
            self._kept[key] = step
        step.ids[:] = ids
        step.rows[:] = rows
        step.last[:] = start + length - 1
        step.total[...] = start + length
        step.run(stop)
        return step.logits.copy()

    def copy_from(self, source: KVCache, length: int) -> None:
        """Begin every sequence with the first `length` tokens of the first one of `source`."""
        for name, buffer in self.buffers.items():
            buffer[:, :, :length] = source.buffers[name][:1, :, :length]

    def reorder(self, order: Sequence[int], start: int, end: int) -> None:
        """Have sequence i go on from what `order[i]` held in the places `start` to `end`."""
        if list(order) != list(range(self.sequences)):
            for buffer in self.buffers.values():
                buffer[:, :, start:end] = buffer[list(order), :, start:end]


class _Step:
    """The inputs and outputs of steps of one shape, bound to the buffers of a cache."""

    def __init__(self, cache: KVCache, length: int, rows: int) -> None:
        graph, sequences = cache.graph, cache.sequences
        self.ids = np.empty((sequences, length), np.int64)
        self.rows = np.empty(rows, np.int64)
        self.last = np.empty(sequences, np.int32)
        self.total = np.empty((), np.int32)
        self.logits = np.empty((sequences, rows, graph.vocab_size), np.float32)
        self._session = graph.session
        self._binding = graph.session.io_binding()
        inputs: dict[str, NDArray[Any]] = {
            "input_ids": self.ids,
            "logit_rows": self.rows,
            "last_position": self.last,
            "total_length": self.total,
        }
        outputs: dict[str, NDArray[Any]] = {"logits": self.logits}
        for name, buffer in cache.buffers.items():
            inputs[f"past_key_values.{name}"] = buffer
            outputs[f"present.{name}"] = buffer
        for name, array in inputs.items():
            self._binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        for name, array in outputs.items():
            self._binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)

    def run(self, stop: Stop | None) -> None:
        if stop is None:
            self._session.run_with_iobinding(self._binding)
            return
        options = ort.RunOptions()

        def terminate() -> None:
            options.terminate = True

        with stop.telling(terminate):
            if stop():
                raise StoppedError
            try:
                self._session.run_with_iobinding(self._binding, options)
            except Exception as error:  # the runtime's own classes have no common base
                if stop():
                    raise StoppedError from error
                raise
