"""The model's say in which candidate comes first, and candidates of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_core.bundle import load_bundle
from m31r_core.cargo.program import Program
from m31r_core.engine import Completer, Engine
from m31r_core.repair.candidates import Candidate
from m31r_core.repair.edits import Edit, apply_edits
from m31r_core.repair.likelihood import gains
from m31r_core.repair.proposals import model_proposals, proposer
from m31r_core.repair.ranking import combine, default_ranker, model_ranker
from m31r_core.repair.search import RepairLimits, find_fixes
from m31r_core.syntax import error_share

pytestmark = pytest.mark.skipif(shutil.which("rustc") is None, reason="rustc is not installed")

MAIN = "src/main.rs"
CODE = b"""\
fn total(values: &[u32]) -> u32 {
    let mut sum = 0;
    for value in values {
        sum += value;
    }
    smu
}

fn main() {
    println!("{}", total(&[1, 2]));
}
"""
AT = CODE.index(b"smu")


@pytest.fixture(scope="module")
def completer(random_bundle: Path) -> Completer:
    return Completer(Engine.load(load_bundle(random_bundle), threads=1))


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    with Program({MAIN: CODE}, sandbox=None) as opened:
        yield opened


def put(text: str, weight: float = 0.5) -> Candidate:
    return Candidate(f"write {text}", (Edit(MAIN, AT, AT + 3, text),), "name", weight)


def test_a_gain_is_the_difference_of_two_likelihoods(
    completer: Completer, program: Program
) -> None:
    same, other = gains(completer, [put("smu"), put("sum")], program.text)
    start, end = CODE.rfind(b"\n", 0, AT) + 1, CODE.find(b"\n", AT) + 1
    lines = ["    smu\n", "    sum\n"]
    old, new = completer.score(MAIN, CODE[:start].decode(), lines, CODE[end:].decode())
    assert same == pytest.approx(0, abs=1e-3)
    assert other == pytest.approx(new - old, abs=1e-3)


def test_what_cannot_be_judged_has_no_gain(completer: Completer, program: Program) -> None:
    far = Candidate("a", (Edit(MAIN, 0, 0, "x"), Edit(MAIN, len(CODE), len(CODE), "y")), "model")
    two = Candidate("b", (Edit(MAIN, 0, 0, "x"), Edit("src/b.rs", 0, 0, "y")), "model")
    meeting = Candidate("c", (Edit(MAIN, 0, 3, "x"), Edit(MAIN, 2, 4, "y")), "model")
    assert gains(completer, [far, two, meeting], program.text) == [None, None, None]
    assert gains(completer, [], program.text) == []
    assert gains(completer, [put("x")], program.text, cancelled=lambda: True) == [None]


def test_the_ranker_keeps_the_order_of_weights_among_equals(
    completer: Completer, program: Program
) -> None:
    (error,) = program.errors
    candidates = [put("sum", 0.2), put("sum", 0.9), put("sum", 0.5)]
    low, high, middle = model_ranker(completer)(program, error, candidates)
    assert 0 < low < middle < high < 1
    assert default_ranker(program, error, candidates) == [0.2, 0.9, 0.5]


@given(
    st.floats(0, 1),
    st.one_of(st.none(), st.floats(allow_nan=False)),
    st.floats(0, 100),
    st.integers(0, 5000),
)
def test_scores_are_probabilities_that_grow_with_the_gain(
    weight: float, gain: float | None, more: float, size: int
) -> None:
    score = combine(weight, gain, size)
    assert 0 < score < 1
    assert combine(weight, gain, size + 9) < score
    if gain is not None:
        assert combine(weight, gain + more, size) >= score


def test_proposals_change_something_and_parse(completer: Completer, program: Program) -> None:
    (error,) = program.errors
    found = model_proposals(completer, program, error, n=6)
    assert len(found) <= 6
    assert found == model_proposals(completer, program, error, n=6)
    for candidate in found:
        text = apply_edits(CODE, candidate.edits)
        assert text.split() != CODE.split()
        assert error_share(text) == 0
        assert candidate.source == "model"
        assert candidate.weight <= 0.4
    assert model_proposals(completer, program, error, n=6, cancelled=lambda: True) == []


def test_a_search_takes_both(completer: Completer, program: Program) -> None:
    (error,) = program.errors
    fixes = find_fixes(
        program,
        error,
        RepairLimits(seconds=60),
        rank=model_ranker(completer),
        propose=proposer(completer),
    )
    assert any(b"    sum\n}" in apply_edits(CODE, fix.edits) for fix in fixes)
