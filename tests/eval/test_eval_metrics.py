from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_eval.metrics import (
    bootstrap_interval,
    edit_similarity,
    exact_match,
    expected_calibration_error,
    kept,
    levenshtein,
    mcnemar,
    mean_of,
    pass_at_k,
    percentile,
    reliability,
    sign_flips,
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


@given(words, words)
def test_levenshtein_is_what_its_recurrence_says(a: str, b: str) -> None:
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, right in enumerate(b, 1):
            same = before + (left != right)
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, same)
    assert levenshtein(a, b) == row[-1]


def test_whole_files_are_compared_in_no_time() -> None:
    text = "".join(chr(97 + i * i % 26) for i in range(40_000))
    assert levenshtein("x" + text + "y", "z" + text + "w") == 2
    assert levenshtein("a" * 20_000, "b" * 20_000) == 20_000


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


@pytest.mark.parametrize(
    ("n", "c", "k", "expected"),
    [
        # One draw is right as often as the samples are.
        (10, 3, 1, 3 / 10),
        # Of 5 samples 2 are right; both draws wrong: (3 over 2) / (5 over 2) = 3 / 10.
        (5, 2, 2, 1 - 3 / 10),
        # (6 over 3) / (10 over 3) = 20 / 120.
        (10, 4, 3, 1 - 20 / 120),
        # Fewer wrong ones than draws: one draw must be right.
        (10, 8, 3, 1.0),
        (10, 0, 10, 0.0),
        (10, 1, 10, 1.0),
        # 1 - (195 over 100) / (200 over 100) = 1 - (100·99·98·97·96) / (200·199·198·197·196).
        (200, 5, 100, 1 - (100 * 99 * 98 * 97 * 96) / (200 * 199 * 198 * 197 * 196)),
    ],
)
def test_pass_at_k_worked_by_hand(n: int, c: int, k: int, expected: float) -> None:
    assert pass_at_k(n, c, k) == pytest.approx(expected, abs=1e-12)


@given(st.integers(1, 30), st.data())
def test_pass_at_k_is_the_share_of_draws_with_a_right_one(n: int, data: st.DataObject) -> None:
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    value = pass_at_k(n, c, k)
    assert 0.0 <= value <= 1.0
    if k > 1:
        assert value >= pass_at_k(n, c, k - 1) - 1e-12
    if c < n:
        assert value <= pass_at_k(n, c + 1, k) + 1e-12


@pytest.mark.parametrize(("n", "c", "k"), [(5, 6, 1), (5, -1, 1), (5, 2, 0), (5, 2, 6)])
def test_pass_at_k_of_what_there_is_not(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="no such thing"):
        pass_at_k(n, c, k)


def test_the_interval_of_two_values_worked_by_hand() -> None:
    # Resamples of {0, 1} are 00, 01, 10, 11: means 0 and 1 a quarter each, 1/2 half of the time. So
    # the 2.5% and 97.5% quantiles are 0 and 1, and those at 30% and 70% both 1/2.
    values = [0.0, 1.0]
    assert bootstrap_interval(values, resamples=2000, seed=0) == (0.0, 1.0)
    assert bootstrap_interval(values, resamples=2000, seed=0, level=0.4) == (0.5, 0.5)


def test_the_interval_of_pooled_shares_worked_by_hand() -> None:
    # Values (1 of 1) and (0 of 3): resamples give 1/1, 0/3, and twice 1/4.
    middle = bootstrap_interval([1.0, 0.0], [1.0, 3.0], resamples=2000, seed=0, level=0.4)
    assert middle == (0.25, 0.25)


@pytest.mark.parametrize(
    ("lost", "won", "expected"),
    [
        (0, 0, 1.0),
        (3, 3, 1.0),
        # Five heads in a row, either way: 2 / 32.
        (0, 5, 2 / 32),
        # At most one of six: 2 · (1 + 6) / 64.
        (5, 1, 14 / 64),
    ],
)
def test_mcnemar_worked_by_hand(lost: int, won: int, expected: float) -> None:
    assert mcnemar(lost, won) == pytest.approx(expected)


def test_sign_flips_worked_by_hand() -> None:
    # Of the 8 sign patterns of (1, 1, 1) two have a sum of 3 or -3: p is about 1/4.
    assert sign_flips([1.0, 1.0, 1.0], flips=4000, seed=0) == pytest.approx(0.25, abs=0.03)
    assert sign_flips([1.0, -1.0], flips=200, seed=0) == 1.0
    assert sign_flips([0.5] * 30, flips=999, seed=0) == pytest.approx(1 / 1000)


def test_reliability_worked_by_hand() -> None:
    curve = reliability([0.05, 0.95, 0.95, 1.0], [False, True, False, True])
    assert [(each.low, each.n) for each in curve] == [(0.0, 1), (0.9, 3)]
    assert curve[1].right == pytest.approx(2 / 3)
    assert curve[1].confidence == pytest.approx(2.9 / 3)
    # (1 · |0.05 - 0| + 3 · |2.9/3 - 2/3|) / 4
    assert expected_calibration_error(curve) == pytest.approx((0.05 + 0.9) / 4)
    assert reliability([], []) == []
    assert expected_calibration_error([]) == 0.0
