"""Every tier trains three steps, becomes an int4 bundle and completes a line.

tier-m and tier-l need memory and minutes: `benchmarks/tiers.py` does the same with them, and
docs/tiers.md has what it measured.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from m31r_core.bundle import load_bundle
from m31r_core.engine import Completer, CompletionRequest, Engine
from m31r_train.cli import main
from tests.train.small import ROOT, small_dataset, trial


@pytest.mark.parametrize("tier", ["nano", "base", pytest.param("tier-s", marks=pytest.mark.slow)])
def test_three_steps_an_int4_bundle_and_a_line(tier: str, tmp_path: Path) -> None:
    output, bundle = tmp_path / "run", tmp_path / tier
    config = ROOT / f"configs/train/{tier}.toml"
    changes = trial(small_dataset(tmp_path / "data"), output, sequence=128)
    assert main(["run", str(config), *changes]) == 0
    rows = [json.loads(line) for line in (output / "log.jsonl").read_text("utf-8").splitlines()]
    assert [row["step"] for row in rows if "grad_norm" in row] == [1, 2, 3]

    checkpoint = str(output / "step-000003")
    assert main(["export", checkpoint, "--out", str(bundle), "--quant", "int4"]) == 0
    completer = Completer(Engine.load(load_bundle(bundle), threads=1))
    request = CompletionRequest("src/lib.rs", "fn main() {\n    let ", "\n}\n", max_new_tokens=8)
    completion = completer.complete(request)
    assert completion.generation.prefill_tokens > 0
    assert "\n" not in completion.text
