"""The fit of a sweep: it finds what it was made from, and says when there is nothing to find."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_train.trend import noise_of, optimum, power_law

exponents = st.floats(-1.0, 1.0)


@given(best=st.floats(0.004, 0.06), bend=st.floats(0.01, 2.0), lowest=st.floats(0.5, 8.0))
def test_the_minimum_of_a_parabola_is_found(best: float, bend: float, lowest: float) -> None:
    rates = [0.00125 * 2**i for i in range(8)]
    found = optimum({rate: lowest + bend * math.log(rate / best) ** 2 for rate in rates})
    assert found.verdict == "inside"
    assert found.rate == pytest.approx(best, rel=1e-3)
    assert found.loss == pytest.approx(lowest, abs=1e-3)


@given(losses=st.dictionaries(st.floats(1e-5, 1.0), st.floats(0.1, 10.0), min_size=1, max_size=9))
def test_whatever_the_losses_the_rate_is_among_those_measured(losses: dict[float, float]) -> None:
    found = optimum(losses, noise=0.01)
    assert min(losses) * 0.999 <= found.low <= found.rate <= found.high <= max(losses) * 1.001


def test_a_lowest_loss_at_the_end_is_no_optimum() -> None:
    assert optimum({0.01: 3.0, 0.02: 2.9, 0.04: 2.8}).verdict == "edge"
    assert optimum({0.01: 2.8, 0.02: 2.9, 0.04: 3.0}).verdict == "edge"


def test_differences_within_the_noise_are_none() -> None:
    losses = {0.01: 2.82, 0.02: 2.80, 0.04: 2.81}
    assert optimum(losses, noise=0.02).verdict == "flat"
    assert optimum(losses, noise=0.001).verdict == "inside"


def test_losses_that_are_no_parabola_are_called_so() -> None:
    losses = {0.005: 2.9, 0.01: 3.3, 0.02: 2.8, 0.04: 3.3, 0.08: 2.9}
    assert optimum(losses).verdict == "uneven"


def test_the_bounds_widen_with_the_noise() -> None:
    losses = {rate: 2.0 + math.log(rate / 0.02) ** 2 for rate in (0.005, 0.01, 0.02, 0.04, 0.08)}
    quiet, loud = optimum(losses, noise=0.01), optimum(losses, noise=0.04)
    assert quiet.low == pytest.approx(0.02 * math.exp(-0.1), rel=1e-3)
    assert loud.high == pytest.approx(0.02 * math.exp(0.2), rel=1e-3)


def test_a_run_that_diverged_is_left_out_of_the_fit() -> None:
    losses = {0.01: 2.9, 0.02: 2.8, 0.04: 2.9, 0.08: math.inf}
    assert optimum(losses).rate == pytest.approx(0.02, rel=1e-3)
    assert optimum({0.01: 2.9, 0.02: math.inf}).verdict == "few"
    with pytest.raises(ValueError, match="no finite loss"):
        optimum({0.01: math.inf})


@given(constant=st.floats(0.01, 10.0), of_size=exponents, of_batch=exponents)
def test_a_power_law_is_recovered(constant: float, of_size: float, of_batch: float) -> None:
    points = [
        ((size, batch), constant * size**of_size * batch**of_batch)
        for size in (1e6, 2e6, 8e6)
        for batch in (4096.0, 8192.0)
    ]
    law = power_law(points)
    assert law.exponents == pytest.approx((of_size, of_batch), abs=1e-6)
    assert law.error == pytest.approx(0.0, abs=1e-6)
    assert law.at(1e8, 65536.0) == pytest.approx(constant * 1e8**of_size * 65536.0**of_batch)


def test_two_points_leave_no_error_to_speak_of_and_one_no_law() -> None:
    assert power_law([((1e6,), 0.02), ((4e6,), 0.01)]).exponents == pytest.approx((-0.5,))
    assert power_law([((1e6,), 0.02), ((4e6,), 0.01)]).error is None
    for points in ([], [((1e6,), 0.02)], [((1e6,), 0.02), ((1e6,), 0.01)]):
        with pytest.raises(ValueError, match="too few"):
            power_law(points)


def test_noise_is_pooled_over_what_was_run_twice() -> None:
    assert noise_of([[1.0], [2.0, math.inf]]) is None
    assert noise_of([[1.0, 1.2], [3.0, 3.2], [9.0]]) == pytest.approx(0.1 * math.sqrt(2))
