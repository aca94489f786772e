"""One sequence of tokens and its KV cache.

Quantised products round activations, so that a difference in the last bit grows to that of
another quantisation. ONNX Runtime's kernels compute a row alone, or the odd one at the end of a
step, in another order than in pairs. Here the numbers of tokens in a step and of rows of logits are
even, and logits are equal to the last bit whatever the steps, the cache and the threads were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from m31r_core.engine.graph import Graph
from m31r_core.engine.kv_cache import KVCache, StoppedError
from m31r_core.engine.stop import Stop, as_stop

# Tokens in one step of a prefill: attention over larger ones leaves the processor's caches.
CHUNK = 128


class Session:
    """A sequence of up to the context length, appended to and rewound. Not thread-safe.

    `ids` are its tokens.
    """

    def __init__(self, graph: Graph) -> None:
        """Begin an empty sequence."""
        self.context_length = graph.context_length
        self.cache = KVCache(graph)
        self.ids: list[int] = []

    def forward(
        self, ids: Sequence[int], rows: Sequence[int], stop: Stop | None = None
    ) -> NDArray[np.float32]:
        """Append `ids` and return logits float32 [len(rows), V].

        `rows` are the places in `ids` whose next-token logits are wanted. Raises ValueError when
        the sequence would grow past the context length, StoppedError when `stop` is set before the
        end: nothing is appended then.
        """
        start, room = len(self.ids), self.context_length - len(self.ids)
        if not 0 < len(ids) <= room:
            raise ValueError(f"cannot append {len(ids)} tokens to {start} of {start + room}")
        fed, places = list(ids), list(rows)
        if len(fed) % 2 and start:
            # The token before, once more: the same keys and values are written again.
            fed.insert(0, self.ids[-1])
            places = [row + 1 for row in places]
            start -= 1
        elif len(fed) % 2 and room > 1:
            fed.append(fed[-1])
        places += places[-1:] * (len(places) % 2)
        logits = self.cache.step([fed], places, start, stop)
        self.ids += ids
        return logits[0, : len(rows)]

    def prefill(
        self, ids: Sequence[int], cancelled: Callable[[], bool] | None = None
    ) -> NDArray[np.float32] | None:
        """Append `ids` in chunks and return the last one's logits float32 [V].

        Returns None when cancelled, with the chunks appended that were done, and for no ids.
        """
        logits: NDArray[np.float32] | None = None
        for start in range(0, len(ids), CHUNK):
            if cancelled is not None and cancelled():
                return None
            chunk = ids[start : start + CHUNK]
            try:
                logits = self.forward(chunk, [len(chunk) - 1], as_stop(cancelled))[0]
            except StoppedError:
                return None
        return logits

    def rewind(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        del self.ids[length:]
