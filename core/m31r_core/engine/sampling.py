"""From logits to the next token."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from m31r_core.engine.file_cache import Votes

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


def mix(logits: Logits, votes: Votes | None, banned: Sequence[int]) -> Logits:
    """Return log-probabilities [V], in nats, of logits [V] mixed with what the file says.

    Those of `banned` are minus infinity, and the others' probabilities sum to 1.
    """
    logprobs = log_softmax(logits)
    if votes is not None:
        probabilities = (1 - sum(votes.shares.values())) * np.exp(logprobs)
        for token, share in votes.shares.items():
            probabilities[token] += share
        logprobs = np.log(np.maximum(probabilities, 1e-30))
    logprobs[list(banned)] = -np.inf
    return log_softmax(logprobs.astype(np.float32)).astype(np.float32)


def best(
    logits: Logits, votes: Votes | None, banned: Sequence[int], n: int = 1
) -> list[tuple[int, float]]:
    """Return the `n` most probable tokens of `mix` and their log-probabilities, best first.

    Among equals the lowest id comes first. One pass over the logits: several times faster.
    """
    allowed = logits.copy()
    allowed[list(banned)] = -np.inf
    likely = [int(allowed.argmax())] if n == 1 else np.argpartition(allowed, -n)[-n:].tolist()
    highest = float(allowed[likely].max())
    model = float(np.exp(allowed - np.float32(highest)).sum(dtype=np.float64))
    # What is banned can be nearly all that the model wants: it is added, never subtracted.
    total = model + sum(math.exp(min(float(logits[token]) - highest, 500.0)) for token in banned)
    shares = {} if votes is None else votes.shares
    voted = sum(shares.values())
    kept = (1 - voted) * model + voted * total

    def logprob(token: int) -> float:
        said = math.exp(float(logits[token]) - highest)
        probability = ((1 - voted) * said + shares.get(token, 0.0) * total) / kept
        return math.log(max(probability, 1e-30))

    # What the file says is never special, so never banned.
    found = [(token, logprob(token)) for token in {*likely, *shares}]
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:n]


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
