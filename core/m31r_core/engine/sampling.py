"""From logits to the next token."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]


def log_softmax(logits: Logits) -> NDArray[np.float64]:
    """Return log-probabilities [V], in nats, of logits [V]."""
    shifted = logits.astype(np.float64) - float(logits.max())
    total: float = np.exp(shifted).sum()
    return shifted - math.log(total)


def token_logprobs(logits: Logits, tokens: Sequence[int]) -> NDArray[np.float64]:
    """Return the log-probabilities [n], in nats, that logits [n, V] give to `tokens`, n ids."""
    highest = logits.max(axis=1)
    shifted = logits - highest[:, None]
    chosen: NDArray[np.float64] = shifted[np.arange(len(tokens)), list(tokens)].astype(np.float64)
    totals: NDArray[np.float64] = np.exp(shifted, out=shifted).sum(axis=1, dtype=np.float64)
    return chosen - np.log(totals)


def choose(
    logits: Logits,
    *,
    allowed: NDArray[np.int64] | None,
    temperature: float,
    top_p: float,
    random: np.random.Generator,
) -> tuple[int, float]:
    """Return a token and its log-probability, in nats, at temperature 1.

    With `allowed` (sorted ids) nothing else is chosen, and the probability is that among them.
    Temperature 0 takes the most probable token, the lowest id among equals. Otherwise the token
    is drawn from the smallest set of most probable ones that holds `top_p` of the probability
    (Holtzman et al. 2020).
    """
    if allowed is not None:
        logits = logits[allowed]
    logprobs = log_softmax(logits)
    if temperature == 0:
        index = int(logits.argmax())
    else:
        index = _draw(log_softmax(logits / np.float32(temperature)), top_p, random)
    return int(index if allowed is None else allowed[index]), float(logprobs[index])


def _draw(logprobs: NDArray[np.float64], top_p: float, random: np.random.Generator) -> int:
    order = np.argsort(-logprobs, kind="stable")
    cumulative = np.cumsum(np.exp(logprobs[order]))
    kept = int(np.searchsorted(cumulative, top_p * cumulative[-1])) + 1
    cumulative = cumulative[:kept]
    place = int(np.searchsorted(cumulative, random.random() * cumulative[-1], side="right"))
    return int(order[min(place, len(cumulative) - 1)])
