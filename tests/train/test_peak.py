"""The machine's peak: a number that can be divided by."""

from __future__ import annotations

import time

import torch

from m31r_train.peak import gemm_peak


def test_no_product_is_faster_than_the_peak() -> None:
    peak = gemm_peak("cpu", torch.float32, seconds=0.1)
    left = right = torch.ones(700, 700)
    start = time.perf_counter()
    torch.mm(left, right)
    assert 0 < 2 * 700**3 / (time.perf_counter() - start) < 1.5 * peak


def test_measuring_draws_no_random_numbers() -> None:
    before = torch.get_rng_state()
    gemm_peak("cpu", torch.bfloat16, seconds=0.01)
    assert torch.equal(before, torch.get_rng_state())
