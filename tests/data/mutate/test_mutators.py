"""Every mutator breaks its program as it should, says rustc; none trips over any text."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from m31r_core.cargo import Diagnostic
from m31r_data.mutate.mutation import Mutation
from m31r_data.mutate.pairs import BORROW_CODES, code_of, window_of
from m31r_data.mutate.table import ALL, mutations
from m31r_data.mutate.weights import weights
from tests.data.mutate.programs import Case, cases, errors_of, programs

BY_NAME = {each.name: each for each in ALL}

NEEDED = ("E0382", "E0499", "E0502", "E0505", "E0506", "E0507", "E0515", "E0596", "E0597", "E0716")


def mutation_of(case: Case) -> Mutation:
    """The mutation that the case describes."""
    text = programs()[case.family].text
    for mutation in mutations(text, mutators=[BY_NAME[case.mutator]]):
        window = window_of(text, mutation)
        if window is None:
            continue
        if (window.fixed.strip("\n"), window.broken.strip("\n")) == (
            case.lines.strip("\n"),
            case.becomes.strip("\n"),
        ):
            return mutation
    pytest.fail(f"{case.mutator} makes no such lines: {case.becomes}")


def broken(text: bytes, mutation: Mutation) -> bytes:
    return text[: mutation.start] + mutation.new + text[mutation.end :]


@pytest.fixture(scope="module")
def said() -> dict[Case, list[Diagnostic]]:
    """What rustc says to each case; two at a time."""

    def ask(case: Case) -> list[Diagnostic]:
        program = programs()[case.family]
        return errors_of(broken(program.text, mutation_of(case)), program.files)

    every = list(cases())
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return dict(zip(every, pool.map(ask, every), strict=True))


@pytest.mark.parametrize("family", programs())
def test_programs_compile_unbroken(family: str) -> None:
    program = programs()[family]
    assert errors_of(program.text, program.files) == []


@pytest.mark.parametrize("family", programs())
def test_rustc_refuses_what_the_mutators_of_a_family_make(
    family: str, said: dict[Case, list[Diagnostic]]
) -> None:
    for case in programs()[family].cases:
        mutation = mutation_of(case)
        codes = [code_of(error, mutation) for error in said[case]]
        assert codes[:1] == [case.code], case.mutator


def test_every_mutator_has_a_case_and_a_name_of_its_own() -> None:
    assert [case.mutator for case in cases()].count("drop-clone") == 1
    assert {case.mutator for case in cases()} == set(BY_NAME)
    assert len(BY_NAME) == len(ALL) >= 40


@pytest.mark.parametrize("code", NEEDED)
def test_the_borrow_checker_is_provoked_in_every_way(
    code: str, said: dict[Case, list[Diagnostic]]
) -> None:
    assert any(code in [error.code for error in errors] for errors in said.values())


def test_fifteen_mutators_and_more_are_made_for_the_borrow_checker(
    said: dict[Case, list[Diagnostic]],
) -> None:
    made = {
        case.mutator
        for case, errors in said.items()
        if BY_NAME[case.mutator].phase == "borrow" and errors[0].code in BORROW_CODES
    }
    assert len(made) >= 15


def test_weights_are_of_mutators_that_exist() -> None:
    assert set(weights()) == set(BY_NAME)
    from m31r_data.mutate import weights as module

    assert set(module._OTHER) <= set(BY_NAME)


FUNCTIONS = """\
pub fn plain(mut x: Vec<u8>) -> usize { let y = x.clone(); x.push(1); y.len() }
pub const fn constant(x: u32) -> u32 { let y = x as u32; y }
pub async fn waits(x: u32) -> u32 { let y = x as u32; y }
pub fn hidden(x: u32) -> impl Fn() -> u32 { let y = x as u32; move || y }
pub fn takes(x: impl Fn(u32) -> u32) -> u32 { let y = x(1) as u32; y }
pub fn outer(x: u32) -> u32 { struct Inner { at: u32 } let y = Inner { at: x }; y.at as u32 }
pub static TABLE: u32 = 1u64 as u32;
"""


def test_a_scope_is_given_where_errors_cannot_leave_the_body() -> None:
    text = FUNCTIONS.encode()
    scopes = {
        text[: mutation.start].count(b"\n"): mutation.scope
        for mutation in mutations(text, mutators=[BY_NAME["drop-cast"]])
    }
    assert [line for line, scope in sorted(scopes.items()) if scope] == [4, 5]
    assert sorted(scopes) == [1, 2, 3, 4, 5, 6]
    start, end = scopes[4] or (0, 0)
    assert text[start:end] == b"{ let y = x(1) as u32; y }"


def test_a_field_of_a_type_in_a_body_is_no_matter_of_the_body() -> None:
    text = FUNCTIONS.encode()
    found = mutations(text, mutators=[BY_NAME["wrong-primitive"]])
    inside = [each for each in found if text[: each.start].endswith(b"Inner { at: ")]
    assert [each.scope for each in inside] == [None]


LEFT_OUT = """\
macro_rules! twice { ($x:expr) => { $x.clone() + f(&$x) } }
#[cfg(test)]
mod tests { use super::*; #[test] fn works() { let x = f(&1); assert!(x == 2); } }
#[cfg(windows)]
pub fn path(x: &str) -> usize { let y = x.len(); y }
pub fn other(x: u32) { other_macro!(x.clone(), &x, f(y)?); }
"""


def test_what_is_not_compiled_or_not_code_is_left_alone() -> None:
    text = LEFT_OUT.encode()
    start = text.index(b"pub fn other")
    found = mutations(text)
    assert found
    for mutation in found:
        assert mutation.start >= start, mutation
        assert not text.index(b"(x.clone()") < mutation.start < text.index(b"; }", start), mutation


TEXTS = [program.text.decode() for program in programs().values()]


@st.composite
def rust(draw: st.DrawFn) -> str:
    """A piece of a program, with a few pieces of it missing, repeated or replaced by anything."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 60)))
        new = draw(
            st.one_of(
                st.just(""),
                st.text(max_size=8),
                st.sampled_from(
                    ["{", "}", "é", "&mut ", "let ", "|x|", "<'a>", "'", "match ", ".."]
                ),
                st.just(text[start:end] * 2),
            )
        )
        text = text[:start] + new + text[end:]
    return text


@given(rust())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_mutations_of_any_text_are_other_valid_texts(text: str) -> None:
    data = text.encode()
    for mutation in mutations(data):
        assert 0 <= mutation.start <= mutation.end <= len(data)
        changed = broken(data, mutation)
        assert changed != data
        changed.decode()
        if mutation.scope is not None:
            assert mutation.scope[0] < mutation.start
            assert mutation.end < mutation.scope[1]


def test_mutations_do_not_depend_on_the_hash_seed() -> None:
    program = """
import hashlib, random
from m31r_data.mutate.choose import choose
from m31r_data.mutate.table import mutations
from m31r_data.mutate.weights import weights
from tests.data.mutate.programs import programs
offered = {name: mutations(each.text) for name, each in programs().items()}
chosen = choose(offered, random.Random(3), 200, weights(), alone=0.3)
print(hashlib.sha256(repr((offered, chosen)).encode()).hexdigest())
"""
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
