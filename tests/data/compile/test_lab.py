"""Mutants tried together are judged as if each had been tried alone."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tree_sitter import Node

from m31r_core.cargo.sandbox import Sandbox
from m31r_core.cargo.toolchain import Toolchain
from m31r_core.syntax import parse
from m31r_data.compile.batch import Mutant
from m31r_data.compile.lab import Laboratory, LaboratoryError
from m31r_data.compile.verify import CrateFolder, crate_in, verify_crate
from m31r_data.mutate.mutation import Mutation
from tests.core.mutants import ARCHIVE, unpack
from tests.data.compile.conftest import CONFIG, write_crate

LIBRARY = """\
//! Every function can be broken in a way of its own.
pub mod shapes;

pub fn longest<'a>(a: &'a str, b: &'a str) -> &'a str {
    let mut found = a;
    if b.len() > a.len() {
        found = b;
    }
    found
}

pub fn sum(values: &[u32]) -> u32 {
    let mut total = 0;
    for value in values {
        total += *value;
    }
    total
}

pub fn iterate(values: &[u32]) -> impl Iterator<Item = u32> + '_ {
    let offset = 3;
    values.iter().map(move |value| value + offset)
}

pub fn uses() -> u32 {
    let text = String::from("three");
    let length = longest(&text, "four").len() as u32;
    sum(&[length, iterate(&[1]).count() as u32])
}
"""
SHAPES = """\
use std::fmt;

pub struct Shape {
    corners: Vec<u32>,
}

impl Shape {
    pub fn new(corner: u32) -> Self {
        let corners = vec![corner];
        Self { corners }
    }
    pub fn add(&mut self, corner: u32) {
        let next = &mut self.corners;
        next.push(corner);
    }
    pub fn first(&self) -> Option<&u32> {
        let found = self.corners.first();
        found
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let corners = &self.corners;
        write!(out, "{corners:?}")
    }
}
"""
FILES = {"src/lib.rs": LIBRARY, "src/shapes.rs": SHAPES}


def simple_mutants(path: str, text: bytes) -> Iterator[Mutant]:
    """Drop a `&`, drop a `mut`, rename a use of a variable, put a line in, take a tail away."""
    waiting: list[tuple[Node, tuple[int, int] | None]] = [(parse(text).root_node, None)]
    while waiting:
        node, scope = waiting.pop()
        if node.type == "function_item" and (body := node.child_by_field_name("body")):
            waiting += [(child, scope) for child in node.children if child != body]
            scope = (body.start_byte, body.end_byte)
            waiting.append((body, scope))
            start = body.start_byte + 1
            yield Mutant(
                path, Mutation("line", start, start, b"\n let x: u8 = 'x';", "types", scope)
            )
            continue
        waiting += [(child, scope) for child in reversed(node.children)]
        edit: tuple[int, int, bytes] | None = None
        above = node.parent.type if node.parent else ""
        if node.type == "mutable_specifier" or (node.type, above) == ("&", "reference_expression"):
            edit = node.start_byte, node.end_byte, b""
        elif (node.type, above) == ("identifier", "arguments"):
            edit = node.end_byte, node.end_byte, b"_x"
        elif node.type == "expression_statement":
            edit = node.start_byte, node.end_byte, b""
        if edit is not None:
            yield Mutant(path, Mutation(node.type, *edit, "types", scope))


def laboratory_of(
    crate: CrateFolder, work: Path, vendor: Path | None, sandbox: Sandbox, toolchain: Toolchain
) -> Laboratory:
    verdict = verify_crate(
        crate.name,
        crate.version,
        crate.folder,
        work=work,
        vendor=vendor,
        sandbox=sandbox,
        toolchain=toolchain,
        config=CONFIG,
    )
    assert verdict.compiles == "yes", verdict
    found = crate_in(crate, work=work, vendor=vendor)
    return Laboratory(found, sandbox, toolchain, work / f"{crate.name}-lab", audit=0.0)


@pytest.fixture
def laboratory(sandbox: Sandbox, toolchain: Toolchain, tmp_path: Path) -> Iterator[Laboratory]:
    folder = write_crate(tmp_path / "sample", FILES)
    crate = CrateFolder("sample", "0.1.0", folder)
    with laboratory_of(crate, tmp_path / "work", None, sandbox, toolchain) as found:
        yield found


def alone(laboratory: Laboratory, mutants: list[Mutant]) -> list[object]:
    laboratory.size = 1
    try:
        return list(laboratory.try_mutants(mutants))
    finally:
        laboratory.size = 48


def test_company_changes_nothing(laboratory: Laboratory) -> None:
    mutants = [m for path in FILES for m in simple_mutants(path, FILES[path].encode())]
    together = list(laboratory.try_mutants(mutants))
    runs = laboratory.effort.runs
    assert [trial.mutant for trial in together] == mutants
    outcomes = Counter(trial.outcome for trial in together)
    assert outcomes["fails"] > 15
    assert outcomes["passes"] > 0
    # rustc ran much less often than there are mutants.
    assert runs < 0.8 * len(mutants)
    assert alone(laboratory, mutants) == together
    assert list(laboratory.try_mutants(mutants)) == together


def test_places_are_those_of_the_file_with_this_mutant_only(laboratory: Laboratory) -> None:
    mutants = list(simple_mutants("src/shapes.rs", SHAPES.encode()))
    lines = [m for m in mutants if m.mutation.mutator == "line"]
    assert len(lines) == 4
    for trial in laboratory.try_mutants(lines):
        mutation = trial.mutant.mutation
        text = SHAPES.encode()
        text = text[: mutation.start] + mutation.new + text[mutation.end :]
        (error,) = trial.diagnostics
        assert error.code == "E0308"
        assert error.primary is not None
        assert text[error.primary.byte_start : error.primary.byte_end] == b"'x'"
        assert error.primary.path == "src/shapes.rs"
        assert f"src/shapes.rs:{error.primary.line_start}:" in error.rendered
        assert f"\n{error.primary.line_start} |" in error.rendered
        assert text[: error.primary.byte_start].count(b"\n") + 1 == error.primary.line_start
    assert laboratory.effort.alone == 0


def test_a_syntax_error_hides_no_other_mutant(laboratory: Laboratory) -> None:
    places = [m for m in simple_mutants("src/lib.rs", LIBRARY.encode()) if "line" in str(m)]
    broken = [
        Mutant(m.path, Mutation("brace", m.mutation.start, m.mutation.start, b"(", "types", scope))
        for m in places[1:2]
        if (scope := m.mutation.scope)
    ]
    mutants = [places[0], *broken, places[-1]]
    first, second, third = laboratory.try_mutants(mutants)
    assert [error.code for error in first.diagnostics] == ["E0308"]
    assert second.diagnostics
    assert {error.code for error in second.diagnostics} == {None}
    assert [error.code for error in third.diagnostics] == ["E0308"]


def test_an_error_elsewhere_is_found_by_halves(laboratory: Laboratory) -> None:
    """A scope that promises too much: the error appears in another function."""
    start = LIBRARY.index("&[u32]) -> u32")
    body = LIBRARY.index("{", start)
    scope = (body, LIBRARY.index("\n}\n", body) + 2)
    liar = Mutant(
        "src/lib.rs", Mutation("signature", start, start + 6, b"Vec<char>", "types", scope)
    )
    mutants = list(simple_mutants("src/shapes.rs", SHAPES.encode()))
    together = list(laboratory.try_mutants([*mutants, liar]))
    assert together[-1].outcome == "fails"
    assert any(
        error.primary and b"uses" in LIBRARY.encode()[: error.primary.byte_start]
        for error in together[-1].diagnostics
    )
    assert alone(laboratory, [*mutants, liar]) == together


def test_an_audit_that_finds_a_difference_tries_everything_alone(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from m31r_data.compile import lab

    mutants = [m for path in FILES for m in simple_mutants(path, FILES[path].encode())]
    right = list(laboratory.try_mutants(mutants))
    # Company that loses errors, as rustc might.
    monkeypatch.setattr(lab, "diagnostic_alone", lambda found, number, batch: found)
    laboratory.audit = 1.0
    assert list(laboratory.try_mutants(mutants)) == right
    assert laboratory.effort.disagreed == 1


def test_a_run_that_takes_too_long_is_a_timeout(laboratory: Laboratory) -> None:
    library = "#![allow(long_running_const_eval)]\n" + LIBRARY
    (laboratory.crate.source / "src" / "lib.rs").write_text(library)
    slow = b"\n const A: u8 = { let mut i = 0u64; while i < u64::MAX { i += 1; } 1 };"
    start = library.index("{\n    let mut total") + 1
    mutant = Mutant("src/lib.rs", Mutation("slow", start, start, slow, "types", None))
    laboratory.seconds = 2.0
    trials = list(laboratory.try_mutants([mutant]))
    assert [trial.outcome for trial in trials] == ["timeout"]


def test_a_crate_that_does_not_pass_unbroken_is_refused(laboratory: Laboratory) -> None:
    (laboratory.crate.source / "src" / "shapes.rs").write_text(SHAPES + "fn f() -> u8 { true }\n")
    with pytest.raises(LaboratoryError, match="sample: unbroken, it does not pass: mismatched"):
        list(laboratory.try_mutants([]))


def test_a_path_outside_of_the_crate_is_refused(laboratory: Laboratory) -> None:
    mutant = Mutant("../work/x.rs", Mutation("test", 0, 0, b"", "types"))
    with pytest.raises(LaboratoryError, match="not a file of the crate"):
        list(laboratory.try_mutants([mutant]))


@pytest.mark.slow
@pytest.mark.skipif(not ARCHIVE.is_file(), reason=f"{ARCHIVE} is not there")
def test_real_crates_agree(sandbox: Sandbox, toolchain: Toolchain, tmp_path: Path) -> None:
    """Three hundred mutants of real crates, together and alone."""
    vendor = unpack(tmp_path).parent / "registry"
    for path in (vendor, *vendor.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    tried = runs = 0
    for name in ("itoa", "semver"):
        (folder,) = vendor.glob(f"{name}-[0-9]*")
        version = re.sub(r"^.*-", "", folder.name)
        crate = CrateFolder(name, version, folder)
        with laboratory_of(crate, tmp_path / "work", vendor, sandbox, toolchain) as laboratory:
            mutants = [
                mutant
                for file in sorted((folder / "src").rglob("*.rs"))
                for mutant in simple_mutants(str(file.relative_to(folder)), file.read_bytes())
                if mutant.mutation.scope is not None
            ]
            random.Random(1).shuffle(mutants)
            together = list(laboratory.try_mutants(mutants[:240]))
            runs += laboratory.effort.runs
            assert alone(laboratory, mutants[:240]) == together
            tried += len(together)
    assert tried >= 300
    assert runs < 0.6 * tried
