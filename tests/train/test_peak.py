"""The machine's peak: a number that can be divided by."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import torch

from m31r_train.checkpoint import Position
from m31r_train.config import TrainConfig
from m31r_train.peak import gemm_peak
from m31r_train.report import RunLog


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


@pytest.mark.parametrize(("float32", "said"), [(190.0, True), (110.0, False)])
def test_a_run_says_when_the_other_dtype_is_much_faster(
    train_config: TrainConfig,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    float32: float,
    said: bool,
) -> None:
    # Which of them is faster depends on the machine that the test runs on.
    rates = {torch.float32: float32, torch.bfloat16: 100.0}
    monkeypatch.setattr("m31r_train.report.gemm_peak", lambda _, dtype: rates[dtype])
    train_config.output.mkdir()
    config = replace(train_config, watch=replace(train_config.watch, peak=True))
    RunLog(config, Position(0, 0, 0)).close()
    text = "products in float32 are 1.9 times as fast on this machine: consider --set dtype=float32"
    assert (text in capsys.readouterr().out) == said
