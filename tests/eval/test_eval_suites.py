"""Task files of whole crates: where they are cut, what is left out, and that rustc looks there."""

from __future__ import annotations

import json
import random
import shutil
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.eval.runs import metrics, need_a_sandbox, results

from m31r_core.syntax import cursor_state
from m31r_eval.cli import main
from m31r_eval.repair_tasks import read_repair_tasks
from m31r_eval.settings import TaskSettings
from m31r_eval.suites import cutting
from m31r_eval.suites.choosing import in_turns, unlike
from m31r_eval.suites.code import SourceFile, offsets
from m31r_eval.suites.probing import NOBODY, misnamed
from m31r_eval.suites.training import Training, window_hashes
from m31r_eval.tasks import read_tasks

LIBRARY = """//! Birds.

mod nest;

use nest::Nest;

/// Counts what lies in a nest, which takes a while.
pub fn eggs(nest: &Nest) -> usize {
    let mut count = 0;
    for egg in nest.all_of_them() {
        if egg.is_whole() {
            count += 1;
        }
    }
    count
}

#[cfg(feature = "hidden")]
pub fn hidden(nest: &Nest) -> usize {
    let twice = eggs(nest) * 2;
    twice + eggs(nest).wrapping_add(1)
}

#[cfg(test)]
mod tests {
    /// Documented, and a test.
    fn helper() -> u32 {
        let value = 1;
        value.wrapping_add(2)
    }
}
"""
NEST = """/// Where eggs lie.
pub struct Nest {
    eggs: Vec<Egg>,
}

/// An egg.
pub struct Egg {
    whole: bool,
}

impl Egg {
    /// Whether it is not broken.
    pub fn is_whole(&self) -> bool {
        self.whole
    }
}

impl Nest {
    /// Every egg that lies here, broken ones too.
    pub fn all_of_them(&self) -> &[Egg] {
        &self.eggs
    }
}
"""
FILE = SourceFile("birds-0.1.0", "src/lib.rs", LIBRARY.encode())
OTHER = SourceFile("birds-0.1.0", "src/nest.rs", NEST.encode())


def middles(cuts: list[cutting.Cut]) -> list[str]:
    return [cut.middle for cut in cuts]


def test_a_body_is_what_is_between_the_braces_of_a_documented_function() -> None:
    bodies = middles(list(cutting.bodies(FILE)))
    assert bodies[0].startswith("let mut count = 0;\n    for egg")
    assert bodies[0].endswith("count")
    assert len(bodies) == 2
    # Whether it is left out is decided for all kinds at once.
    assert [FILE.leaves_out(cut.start) for cut in cutting.bodies(FILE)] == [False, True]


def test_blocks_are_nodes_of_the_tree() -> None:
    found = middles(list(cutting.blocks(FILE)))
    assert "if egg.is_whole() {\n            count += 1;\n        }" in found
    assert "let mut count = 0;" in found
    assert all(text == text.strip() for text in found)


def test_uses_begin_with_the_name_of_what_is_called() -> None:
    assert middles(list(cutting.uses(FILE)))[:2] == ["all_of_them() {", "is_whole() {"]
    assert middles(list(cutting.uses(OTHER))) == []


def test_what_another_file_has_comes_as_context() -> None:
    cuts = list(cutting.needing([FILE, OTHER]))
    assert middles(cuts) == ["all_of_them() {", "is_whole() {"]
    (chunk,) = cuts[0].context
    assert chunk.path == "src/nest.rs"
    assert chunk.text == (
        "/// Every egg that lies here, broken ones too.\n    pub fn all_of_them(&self) -> &[Egg]"
    )


def test_lines_begin_in_code() -> None:
    cuts = list(cutting.lines(FILE, random.Random(0), TaskSettings()))
    assert cuts
    for cut in cuts:
        assert cursor_state(FILE.source, cut.start) == "code"
        assert "\n" not in cut.middle


def test_a_probe_is_a_name_that_nobody_has() -> None:
    assert list(misnamed("let x = f(y);")) == [
        f"let x = f({NOBODY});",
        f"let x = {NOBODY}(y);",
        f"let {NOBODY} = f(y);",
    ]
    assert list(misnamed("if self {}")) == []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=40))
def test_turns_are_fair_and_lose_nothing(things: list[tuple[str, int]]) -> None:
    keys = [lambda thing: thing[0], lambda thing: thing[1]]
    found = list(in_turns(things, keys, random.Random(0)))
    assert Counter(found) == Counter(things)
    total = Counter(letter for letter, _ in things)
    seen: Counter[str] = Counter()
    for letter, _ in found:
        # Nobody comes again before all others who have something left.
        assert all(seen[letter] <= seen[other] or seen[other] == total[other] for other in total)
        seen[letter] += 1
    assert list(unlike(found, lambda thing: thing[0])) == sorted(
        {letter: found[[f[0] for f in found].index(letter)] for letter in total}.values(),
        key=found.index,
    )


@given(st.text(alphabet="aé🦀\n", max_size=30), st.data())
def test_byte_offsets_become_character_offsets(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    assert offsets(text, [len(text[:at].encode())]) == [at]


@given(st.lists(st.integers(0, 500), max_size=60), st.integers(1, 8))
def test_equal_tokens_in_a_row_have_equal_hashes(tokens: list[int], length: int) -> None:
    hashes = window_hashes(np.asarray(tokens, np.uint16), length)
    assert len(hashes) == max(0, len(tokens) - length + 1)
    for i in range(len(hashes)):
        for j in range(i):
            same = tokens[i : i + length] == tokens[j : j + length]
            assert (hashes[i] == hashes[j]) == same


def test_training_knows_its_files_packages_and_tokens(
    dataset_path: Path, texts: dict[str, str]
) -> None:
    training = Training(dataset_path)
    assert training.has_package("Stack")
    assert not training.has_package("birds")
    text = texts["stack/src/lib.rs"]
    place = text.index("self.items.push")
    (window,) = training.windows(text, [place])
    assert window is not None
    assert training.seen([window, 7]) == {window}
    # The same line elsewhere, with other tokens around it.
    (other,) = training.windows(LIBRARY, [LIBRARY.index("for egg")])
    assert other is not None
    assert training.seen([other]) == frozenset()
    assert training.windows("fn f() {}", [3]) == [None]


@pytest.fixture(scope="module")
def crates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_a_sandbox()
    source = tmp_path_factory.mktemp("crates")
    source.chmod(0o755)
    manifest = '[package]\nname = "birds"\nversion = "0.1.0"\nedition = "2021"\nlicense = "MIT"\n'
    manifest += "\n[features]\nhidden = []\n"
    files = {
        "Cargo.toml": manifest,
        "src/lib.rs": LIBRARY,
        "src/nest.rs": NEST,
        "LICENSE": "MIT",
        "tests/outside.rs": "",
    }
    for path, text in files.items():
        place = source / "birds-0.1.0" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return source


def build(crates: Path, out: Path, *more: str) -> int:
    arguments = ["build-suites", "--crates", str(crates), "--crate", "birds-0.1.0"]
    return main([*arguments, "--out", str(out), "--workers", "1", *more])


def test_suites_are_built_probed_and_packed(
    crates: Path, dataset_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(crates, tmp_path / "a", "--training", str(dataset_path)) == 0
    said = capsys.readouterr()
    assert "1 crates" in said.out
    assert "the crates give no more of body; 240 were wanted" in said.err
    bodies = read_tasks(tmp_path / "a" / "body.jsonl.xz")
    # What is behind a feature that is off, and what is for tests, is not there.
    assert len(bodies.tasks) == 1
    assert bodies.tasks[0].middle.startswith("let mut count")
    assert bodies.tasks[0].prefix + bodies.tasks[0].middle + bodies.tasks[0].suffix == LIBRARY
    assert bodies.header["crates"] == {"birds-0.1.0": "MIT"}
    for path in (tmp_path / "a").glob("*.jsonl.xz"):
        for task in read_tasks(path).tasks:
            assert "twice" not in task.middle
            assert "wrapping_add" not in task.middle
    assert build(crates, tmp_path / "b", "--training", str(dataset_path)) == 0
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    with tarfile.open(tmp_path / "a" / "crates.tar.xz") as archive:
        inside = archive.getnames()
    assert "birds-0.1.0/LICENSE" in inside
    assert "birds-0.1.0/tests/outside.rs" not in inside


def test_pairs_become_repairs_of_the_crate(crates: Path, tmp_path: Path) -> None:
    broken = "        &self.egg\n"
    fixed = "        &self.eggs\n"
    start = NEST.index(fixed)
    pair = {
        "id": "one",
        "package": "birds",
        "version": "0.1.0",
        "path": "src/nest.rs",
        "mutator": "misspell-field",
        "codes": ["E0609"],
        "prefix": NEST[:start],
        "broken": broken,
        "fixed": fixed,
        "suffix": NEST[start + len(fixed) :],
    }
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(json.dumps(pair) + "\n" + json.dumps({**pair, "package": "other"}) + "\n")
    assert build(crates, tmp_path / "out", "--pairs", str(pairs)) == 0
    path = tmp_path / "out" / "repair.jsonl.xz"
    (task,) = read_repair_tasks(path).tasks
    assert task.crate == "birds-0.1.0"
    assert task.fixed == NEST
    assert task.files == {"src/nest.rs": NEST.replace(fixed, broken)}
    run = ["repair", str(path), "--crates", str(crates), "--out", str(tmp_path / "run")]
    assert main([*run, "--model", "reference"]) == 0
    assert metrics(tmp_path / "run")["fixed"] == 1.0
    assert results(tmp_path / "run")["one"]["errors_before"][0]["code"] == "E0609"
    assert main([*run, "--checks", "20"]) == 0
    assert metrics(tmp_path / "run")["fixed"] == 1.0
    assert main([*run, "--model", "empty"]) == 0
    assert metrics(tmp_path / "run")["fixed"] == 0.0


def test_crates_that_were_trained_on_are_refused(
    crates: Path, dataset_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "crates" / "stack-1.0.0" / "src").mkdir(parents=True)
    manifest = tmp_path / "crates" / "stack-1.0.0" / "Cargo.toml"
    manifest.write_text('[package]\nname = "stack"\nversion = "1.0.0"\n')
    arguments = ["build-suites", "--crates", str(tmp_path / "crates"), "--crate", "stack-1.0.0"]
    arguments += ["--out", str(tmp_path / "out"), "--training", str(dataset_path)]
    assert main(arguments) == 1
    assert "stack-1.0.0: trained on" in capsys.readouterr().err
    assert main(["build-suites", "--crates", str(crates), "--out", str(tmp_path / "out")]) == 2
    assert "no crates: name them with --crate" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["token", "block", "body", "api"])
def test_a_dataset_split_gives_every_kind(kind: str, dataset_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "tasks.jsonl"
    arguments = ["build-tasks", str(dataset_path), "--out", str(out), "--n", "2", "--kind", kind]
    status = main(arguments)
    if kind == "body":
        # No function of the dataset is documented.
        assert status == 1
        return
    assert status == 0
    tasks = read_tasks(out).tasks
    assert len({task.middle for task in tasks}) == 2
    if kind != "api":
        # In turns; nothing is called in units.
        assert {task.path.split("/")[0] for task in tasks} == {"stack", "units"}
    first = out.read_bytes()
    assert main(arguments) == 0
    assert out.read_bytes() == first


def test_any_crate_folder_will_do(crates: Path, tmp_path: Path) -> None:
    """A folder that is called as its author likes, and not as cargo's sources are."""
    source = tmp_path / "mine"
    shutil.copytree(crates / "birds-0.1.0", source / "my birds")
    source.chmod(0o755)
    arguments = ["build-suites", "--crates", str(source), "--crate", "my birds", "--workers", "1"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    path = tmp_path / "out" / "line.jsonl.xz"
    run = ["check", str(path), "--crates", str(source), "--out", str(tmp_path / "run")]
    assert main([*run, "--model", "reference", "--limit", "2"]) == 0
    assert metrics(tmp_path / "run")["compile_rate"] == 1.0
