"""The file cache finds what followed the same tokens before, and is only as sure as it may be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_core.engine.file_cache import SHARES, FileCache, Votes
from m31r_core.engine.sampling import Logits, best, mix

VOCABULARY = 32
EVEN = np.zeros(VOCABULARY, dtype=np.float32)


def probabilities(cache: FileCache, context: list[int]) -> list[float]:
    return [float(p) for p in np.exp(mixed(cache, EVEN, context))]


def mixed(cache: FileCache, logits: Logits, context: list[int]) -> Logits:
    match = cache.find(context)
    return mix(logits, match.votes() if match else None, ())


def test_what_followed_the_longest_match_gets_its_share() -> None:
    cache = FileCache([1, 2, 3, 4, 9, 2, 3, 5, 1, 2, 3], [7, 8])
    # Three tokens match once, before 4; two of them also match before 5.
    found = probabilities(cache, [1, 2, 3])
    share = SHARES[2]
    assert found[4] == pytest.approx(share + (1 - share) / VOCABULARY, rel=1e-4)
    assert found[5] == pytest.approx((1 - share) / VOCABULARY, rel=1e-4)


def test_matches_of_one_length_divide_the_share() -> None:
    cache = FileCache([2, 3, 4, 9, 2, 3, 5, 8, 2, 3], [])
    found = probabilities(cache, [2, 3])
    assert found[4] == pytest.approx(found[5])
    assert found[4] > found[9]


def test_text_after_the_cursor_counts_and_the_gap_is_no_token() -> None:
    cache = FileCache([1, 2], [3, 4, 5])
    assert np.argmax(probabilities(cache, [3, 4])) == 5
    assert probabilities(cache, [1, 2]) == pytest.approx([1 / VOCABULARY] * VOCABULARY)


@given(
    st.lists(st.integers(0, VOCABULARY - 1), max_size=40),
    st.lists(st.integers(0, VOCABULARY - 1), max_size=40),
    st.lists(st.integers(0, VOCABULARY - 1), max_size=12),
)
def test_probabilities_stay_probabilities(
    before: list[int], after: list[int], context: list[int]
) -> None:
    found = np.exp(mixed(FileCache(before, after), EVEN, context).astype(np.float64))
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1.0, abs=1e-4)


def test_the_draft_is_what_followed_the_last_match() -> None:
    cache = FileCache([1, 2, 3, 4, 9, 1, 2, 5, 6, 7], [8, 3])
    match = cache.find([1, 2])
    assert match is not None
    assert match.length == 2
    assert match.following(2) == [5, 6]
    # It ends where the text before the cursor does.
    assert match.following(9) == [5, 6, 7]
    assert cache.find([30]) is None
    assert cache.find([]) is None


@given(
    st.lists(st.integers(0, 5), max_size=40),
    st.lists(st.integers(0, 5), max_size=12),
    st.lists(st.floats(-9, 9, width=32), min_size=8, max_size=8),
    st.integers(1, 4),
)
def test_the_best_tokens_are_those_of_the_mixture(
    file: list[int], context: list[int], values: list[float], n: int
) -> None:
    """The short way gives what the definition gives."""
    logits, banned = np.array(values, np.float32), (6, 7)
    match = FileCache(file, []).find(context)
    votes = match.votes() if match else None
    logprobs = mix(logits, votes, banned)
    found = best(logits, votes, banned, n)
    assert len(found) == n
    expected = np.sort(logprobs)[::-1][:n]
    assert [logprob for _, logprob in found] == pytest.approx(expected, abs=1e-4)
    assert [logprobs[token] for token, _ in found] == pytest.approx(expected, abs=1e-4)


def test_what_is_banned_may_be_all_that_the_model_wants() -> None:
    logits = np.array([0.0, 1.0, 0.0, 60.0], np.float32)
    ((token, logprob),) = best(logits, None, (3,))
    assert token == 1
    assert np.exp(logprob) == pytest.approx(np.e / (np.e + 2))
    votes = Votes({2: 0.25})
    ((token, logprob),) = best(logits, votes, (3,))
    assert (token, np.exp(logprob)) == (2, pytest.approx(1.0))
