"""How tokens are drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_core.engine.sampling import choose
from m31r_core.engine.writer import whole_characters

LOGITS = np.log(np.array([0.5, 0.3, 0.15, 0.05], np.float32))


def draws(count: int, *, temperature: float = 1.0, top_p: float = 1.0) -> list[float]:
    """The frequency of each token."""
    random = np.random.default_rng(0)
    tokens = [
        choose(LOGITS, allowed=None, temperature=temperature, top_p=top_p, random=random)[0]
        for _ in range(count)
    ]
    return [tokens.count(token) / count for token in range(len(LOGITS))]


def test_draws_follow_the_probabilities() -> None:
    assert draws(4000) == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)


def test_low_temperature_sharpens() -> None:
    sharp = np.array([0.5, 0.3, 0.15, 0.05]) ** 2
    assert draws(4000, temperature=0.5) == pytest.approx(list(sharp / sharp.sum()), abs=0.03)


def test_top_p_keeps_the_smallest_set() -> None:
    assert draws(4000, top_p=0.7) == pytest.approx([0.625, 0.375, 0, 0], abs=0.03)


def test_choice_among_allowed_tokens() -> None:
    random = np.random.default_rng(0)
    allowed = np.array([2, 3])
    token, logprob = choose(LOGITS, allowed=allowed, temperature=0, top_p=1, random=random)
    assert token == 2
    assert np.exp(logprob) == pytest.approx(0.75)


@given(st.text(), st.integers(0, 20))
def test_whole_characters_is_the_longest_valid_beginning(text: str, back: int) -> None:
    data = text.encode("utf-8", errors="replace")
    data = data[: max(0, len(data) - back)]
    kept = whole_characters(data)
    assert data.startswith(kept)
    assert len(data) - len(kept) < 4
    assert kept.decode("utf-8") == data.decode("utf-8", errors="ignore")
