"""Windows of whole lines, what is worth a pair, and pairs as JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from m31r_core.cargo import Diagnostic
from m31r_core.cargo.wording import wording
from m31r_data.compile.batch import Mutant
from m31r_data.compile.lab import Trial
from m31r_data.mutate.mutation import Mutation
from m31r_data.mutate.pairs import RepairPair, SourceFile, make_pairs, window_of
from m31r_data.mutate.table import ALL, mutations
from tests.data.mutate.programs import errors_of

TEXT = """\
pub fn twice(text: String) -> (String, String) {
    let copy = text.clone();
    (copy, text)
}

pub fn size(text: &str) -> usize {
    text.len()
}
"""
FILE = SourceFile(TEXT.encode(), "MIT", "abc")


def of(name: str, text: str = TEXT) -> list[Mutation]:
    return mutations(text.encode(), mutators=[each for each in ALL if each.name == name])


def tried(mutation: Mutation, text: str = TEXT) -> Trial:
    """What becomes of a mutation, with paths as the laboratory gives them."""
    data = text.encode()
    errors = errors_of(data[: mutation.start] + mutation.new + data[mutation.end :], {})
    return Trial(
        Mutant("src/lib.rs", mutation),
        "fails" if errors else "passes",
        tuple(_relative(each) for each in errors),
    )


def _relative(error: Diagnostic) -> Diagnostic:
    from dataclasses import replace

    spans = tuple(replace(span, path="src/lib.rs") for span in error.spans)
    return replace(error, spans=spans)


def pairs_of(trials: list[Trial], file: SourceFile = FILE) -> list[RepairPair]:
    return list(make_pairs(trials, {"src/lib.rs": file}, "sample", "1.0.0"))


@pytest.fixture(scope="module")
def pair() -> RepairPair:
    (found,) = pairs_of([tried(of("drop-clone")[0])])
    return found


def test_a_pair_holds_the_lines_that_differ_and_what_rustc_says(pair: RepairPair) -> None:
    assert pair.broken == "    let copy = text;\n"
    assert pair.fixed == "    let copy = text.clone();\n"
    assert pair.prefix + pair.fixed + pair.suffix == TEXT
    assert (pair.package, pair.version, pair.path) == ("sample", "1.0.0", "src/lib.rs")
    assert (pair.license, pair.sha256, pair.mutator) == ("MIT", "abc", "drop-clone")
    assert pair.codes == ("E0382",)
    (said,) = pair.diagnostics
    assert said.labels[0] == "value used here after move"
    broken = (pair.prefix + pair.broken + pair.suffix).encode()
    assert broken[said.start : said.end] == b"text"
    assert "use of moved value: `text`" in said.rendered


def test_the_message_names_places_by_their_text(pair: RepairPair) -> None:
    lines = pair.message.splitlines()
    assert lines[0] == "E0382: use of moved value: `text`"
    assert lines[1] == "`text`: value used here after move"
    assert "`text`: value moved here" in lines
    assert "lib.rs" not in pair.message


def test_a_pair_survives_json(pair: RepairPair) -> None:
    assert RepairPair.from_json(json.loads(json.dumps(pair.to_json()))) == pair


def test_the_id_is_the_same_every_time_and_another_for_another_edit(pair: RepairPair) -> None:
    (again,) = pairs_of([tried(of("drop-clone")[0])])
    (other,) = pairs_of([tried(of("misspell-method")[0])])
    assert again.id == pair.id != other.id


def test_what_passes_takes_too_long_or_fails_elsewhere_is_no_pair() -> None:
    trial = tried(of("drop-clone")[0])
    assert pairs_of([Trial(trial.mutant, "passes", ())]) == []
    assert pairs_of([Trial(trial.mutant, "timeout", ())]) == []
    elsewhere = Trial(Mutant("src/other.rs", trial.mutant.mutation), "fails", trial.diagnostics)
    assert list(make_pairs([elsewhere], {"src/other.rs": FILE}, "sample", "1")) == []


def test_more_errors_than_one_can_read_are_no_pair() -> None:
    trial = tried(of("drop-clone")[0])
    (error,) = trial.diagnostics
    assert len(pairs_of([Trial(trial.mutant, "fails", (error,) * 3)])) == 1
    assert pairs_of([Trial(trial.mutant, "fails", (error,) * 4)]) == []


def test_syntax_errors_are_for_mutators_of_syntax() -> None:
    mutation = of("drop-arrow")[0]
    (found,) = pairs_of([tried(mutation)])
    assert found.codes == ("syntax",)
    other = Mutation("drop-clone", mutation.start, mutation.end, mutation.new, "borrow")
    assert pairs_of([tried(other)]) == []


def test_the_same_renaming_is_kept_twice() -> None:
    text = "pub fn f(size: u32) -> u32 { size }\n" * 1
    text = "".join(text.replace("f(", f"f{number}(") for number in range(4))
    renamed = [
        Mutation("misspell-variable", at, at + 4, b"sizes", "resolve")
        for at in range(len(text))
        if text.startswith("size }", at)
    ]
    file = SourceFile(text.encode(), "MIT", "abc")
    assert len(renamed) == 4
    assert len(pairs_of([tried(each, text) for each in renamed], file)) == 2


def test_a_line_that_is_missing_is_shown_by_its_neighbour() -> None:
    text = b"use a;\nuse b;\nfn f() {}\n"
    window = window_of(text, Mutation("drop-use", 7, 14, b"", "resolve"))
    assert window == ("use a;\n", "fn f() {}\n", "use b;\nfn f() {}\n", "")
    window = window_of(text, Mutation("drop-item", 14, 24, b"", "resolve"))
    assert window == ("use a;\n", "use b;\n", "use b;\nfn f() {}\n", "")


def test_prefix_and_suffix_are_cut_at_lines() -> None:
    line = b"// " + b"x" * 96 + b"\n"
    text = line * 100 + b"let a = 1;\n" + line * 100
    window = window_of(text, Mutation("m", 10_004, 10_005, b"b", "types"))
    assert window is not None
    assert window.prefix == line.decode() * 60
    assert window.suffix == line.decode() * 60
    assert (window.broken, window.fixed) == ("let b = 1;\n", "let a = 1;\n")


def test_windows_that_nobody_reads_are_none() -> None:
    text = b"x\n" * 2000
    assert window_of(text, Mutation("m", 0, 4000, b"y", "types")) is None


@given(st.text(max_size=80), st.data())
def test_a_window_gives_both_texts(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    new = data.draw(st.text(alphabet="ab\n é", max_size=10))
    mutation = Mutation(
        "m", len(text[:start].encode()), len(text[:end].encode()), new.encode(), "types"
    )
    changed = text[:start] + new + text[end:]
    assume(changed != text)
    window = window_of(text.encode(), mutation)
    if window is None:
        assert not changed
        return
    assert window.prefix + window.fixed + window.suffix == text
    assert window.prefix + window.broken + window.suffix == changed
    assert window.prefix == "" or window.prefix.endswith("\n")
    assert window.suffix == "" or window.broken.endswith("\n")


def test_the_wording_of_nothing_is_nothing() -> None:
    assert wording([]) == ""
