from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_eval.metrics import (
    bootstrap_interval,
    edit_similarity,
    exact_match,
    kept,
    levenshtein,
    mean_of,
    percentile,
)


@pytest.mark.parametrize(
    ("completion", "middle", "expected"),
    [
        ("self.len()", "self.len()", True),
        ("self.len()\n}", "self.len()  ", True),
        ("self.len();", "self.len()", False),
        (" self.len()", "self.len()", False),
        ("Self", "self", False),
        ("", "self", False),
    ],
)
def test_exact_match_compares_the_first_line_without_trailing_blanks(
    completion: str, middle: str, expected: bool
) -> None:
    assert exact_match(completion, middle) is expected


def test_what_is_kept_depends_on_the_kind() -> None:
    text = "foo_1(bar)\n}\n"
    assert kept(text, "line") == "foo_1(bar)"
    assert kept(text, "token") == "foo_1"
    assert kept("::<T>()", "token") == "::<"
    assert kept(text, "block") == "foo_1(bar)\n}"


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2), ("ab", "ba", 2)],
)
def test_levenshtein_worked_by_hand(a: str, b: str, distance: int) -> None:
    assert levenshtein(a, b) == distance


def test_edit_similarity_worked_by_hand() -> None:
    assert edit_similarity("kitten", "sitting") == pytest.approx(1 - 3 / 7)
    assert edit_similarity("foo()", "foo()") == 1.0
    assert edit_similarity("", "") == 1.0
    assert edit_similarity("", "abc") == 0.0
    assert edit_similarity("foo\nbar", "foo") == 1.0


words = st.text(alphabet="ab(.é", max_size=12)


@given(words, words)
def test_edit_similarity_is_symmetric_and_between_0_and_1(a: str, b: str) -> None:
    similarity = edit_similarity(a, b)
    assert 0.0 <= similarity <= 1.0
    assert similarity == edit_similarity(b, a)
    assert (similarity == 1.0) == (a == b)


@given(words, words, words)
def test_levenshtein_keeps_the_triangle_inequality(a: str, b: str, c: str) -> None:
    assert levenshtein(a, c) <= levenshtein(a, b) + levenshtein(b, c)
    assert abs(len(a) - len(b)) <= levenshtein(a, b) <= max(len(a), len(b))


def test_mean_pools_values_over_weights() -> None:
    assert mean_of([1.0, 0.0, 0.0, 1.0]) == 0.5
    assert mean_of([3.0, 0.0], [4.0, 6.0]) == 0.3
    assert mean_of([]) == 0.0


def test_the_interval_holds_the_mean_and_repeats_with_its_seed() -> None:
    values = [1.0] * 30 + [0.0] * 70
    low, high = bootstrap_interval(values, resamples=1000, seed=1)
    assert 0.19 < low < 0.30 < high < 0.41
    assert (low, high) == bootstrap_interval(values, resamples=1000, seed=1)
    assert (low, high) != bootstrap_interval(values, resamples=1000, seed=2)
    assert bootstrap_interval([0.5] * 9, resamples=50, seed=0) == (0.5, 0.5)
    assert bootstrap_interval([], resamples=50, seed=0) == (0.0, 0.0)


def test_percentile_interpolates() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.5
    assert percentile([7.0], 0.95) == 7.0
