"""How sure a model is of a text, and what that is worth."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_core.bundle import CALIBRATION, load_bundle, write_bundle
from m31r_core.engine import Completer, CompletionRequest, Engine
from m31r_core.engine.confidence import FEATURES, Calibration, Evidence, fit, worth_showing
from m31r_core.errors import M31RError

LOGPROBS = st.lists(st.floats(-20, 0), min_size=1, max_size=8).map(tuple)


@given(LOGPROBS)
def test_without_a_calibration_it_is_the_geometric_mean(logprobs: tuple[float, ...]) -> None:
    evidence = Evidence(logprobs, 0.0, 10)
    expected = math.prod(math.exp(each) for each in logprobs) ** (1 / len(logprobs))
    assert Calibration().confidence(evidence) == pytest.approx(expected)
    assert Calibration().confidence(Evidence((), 0.0, 0)) == 0


@given(LOGPROBS, st.floats(-30, 0), st.integers(0, 200))
def test_a_calibrated_confidence_is_a_probability(
    logprobs: tuple[float, ...], end: float, characters: int
) -> None:
    calibration = Calibration(tuple(1.0 for _ in FEATURES))
    assert 0 < calibration.confidence(Evidence(logprobs, end, characters)) < 1


def test_a_fit_finds_the_weights_that_made_the_answers() -> None:
    chance = random.Random(3)
    rows = [(1.0, chance.uniform(-2, 2), chance.uniform(-9, 9)) for _ in range(20_000)]
    right = [chance.random() < 1 / (1 + math.exp(-(0.5 - 1.5 * row[1]))) for row in rows]
    bias, first, second = fit(rows, right)
    assert bias == pytest.approx(0.5, abs=0.1)
    assert first == pytest.approx(-1.5, abs=0.1)
    assert second == pytest.approx(0.0, abs=0.02)


def test_a_longer_text_may_be_less_certain() -> None:
    assert worth_showing(0.3, 10) == pytest.approx(0.3)
    assert worth_showing(0.3, 40) > 0.3 > worth_showing(0.3, 2)
    assert worth_showing(0.0, 10) == worth_showing(0.9, 0) == 0
    assert worth_showing(1.0, 3) == 1


def test_a_bundle_carries_its_calibration(bundle_path: Path, tmp_path: Path) -> None:
    request = CompletionRequest("a.rs", "fn main() {\n    let mut names = Vec::", "\n}\n")
    loaded = load_bundle(bundle_path)
    files: dict[str, Path | bytes] = {name: bundle_path / name for name in loaded.manifest.files}
    found = {}
    for name, bias in (("sure", 9.0), ("unsure", -9.0)):
        weights = (bias, *(0.0 for _ in FEATURES[1:]))
        content = Calibration(weights).dump("a test").encode()
        bundle = write_bundle(tmp_path / name, loaded.manifest, {**files, CALIBRATION: content})
        completion = Completer(Engine.load(bundle, threads=1)).complete(request)
        assert completion.text
        found[name] = completion.confidence
    assert found["sure"] > 0.99
    assert found["unsure"] < 0.01


def test_less_likely_text_is_never_more_certain(bundle_path: Path) -> None:
    calibration = Completer(Engine.load(load_bundle(bundle_path), threads=1)).calibration
    for characters in (1, 5, 20, 60, 200):
        for n in (1, 4, 16, 64):
            sure = [
                calibration.confidence(Evidence((each,) * n, 0.0, characters))
                for each in (-0.05, -0.2, -0.5, -1.0, -2.0)
            ]
            assert sure == sorted(sure, reverse=True), (characters, n)


def test_several_lines_are_as_certain_as_all_of_them_together(bundle_path: Path) -> None:
    completer = Completer(Engine.load(load_bundle(bundle_path), threads=1))
    prefix = "pub fn add(left: u64, right: u64) -> u64 {\n    "
    block = completer.complete(CompletionRequest("a.rs", prefix, "", kind="block"))
    assert "\n" in block.text
    chances = [
        completer.confidence(block, place)
        for place in range(1, len(block.text) + 1)
        if block.text[place : place + 1] in ("\n", "")
    ]
    assert chances == sorted(chances, reverse=True)
    assert block.confidence == chances[-1]


@pytest.mark.parametrize("content", ["", "[]", '{"weights": {}}', '{"weights": {"bias": "x"}}'])
def test_what_is_no_calibration_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / CALIBRATION
    file.write_text(content)
    with pytest.raises(M31RError, match=r"calibration\.json"):
        Calibration.load(file)


def test_evidence_is_of_the_tokens_of_a_beginning(bundle_path: Path) -> None:
    completer = Completer(Engine.load(load_bundle(bundle_path), threads=1))
    prefix = "fn main() {\n    let mut names: Vec<String> = Vec::new();\n    names.pu"
    completion = completer.complete(CompletionRequest("a.rs", prefix, "\n}\n"))
    assert completion.text
    whole = completion.evidence(0, len(completion.text))
    part = completion.evidence(0, 1)
    assert 0 < len(part.logprobs) <= len(whole.logprobs)
    assert whole.logprobs[: len(part.logprobs)] == part.logprobs
    assert set(whole.logprobs) <= set(completion.generation.logprobs)
    assert whole.characters == len(completion.text)
