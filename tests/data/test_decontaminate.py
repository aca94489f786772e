"""No task gets into the training set, and nothing goes for what everybody writes."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m31r_core.errors import M31RError
from m31r_data.decontaminate import Decontaminator, common_words, task_texts

SHARED = Path(os.environ.get("M31R_SHARED", Path(__file__).parents[3] / "shared"))
BENCH = SHARED / "bench"
needs_bench = pytest.mark.skipif(not BENCH.is_dir(), reason=f"no evaluation material in {BENCH}")

SOLUTION = """
fn longest_plateau(heights: &[i64]) -> Option<(usize, usize)> {
    let mut best = None;
    for (offset, window) in heights.windows(2).enumerate() {
        if window[0] == window[1] && best.is_none() {
            best = Some((offset, offset + 1));
        }
    }
    best
}
"""
TASKS = {
    "complete": {
        "id": "c/1",
        "path": "src/terrain.rs",
        "prefix": SOLUTION[:150],
        "middle": SOLUTION[150:200],
        "suffix": SOLUTION[200:],
        "kind": "block",
        "context": [{"path": "src/other.rs", "text": "fn shown_beside_it(gradient: Slope) {}"}],
    },
    "generate": {"id": "g/1", "prompt": SOLUTION[:100], "tests": SOLUTION[100:], "edition": "2021"},
    "repair": {"id": "r/1", "edition": "2021", "files": {"src/main.rs": SOLUTION}, "fixed": None},
    "foreign": {"task_id": "f", "canonical_solution": SOLUTION, "level": "easy"},
}
BOILERPLATE = [
    "#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]\npub struct A;\n",
    "impl fmt::Display for Error {\n"
    "    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {\n",
    "    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {\n",
    "use std::collections::{BTreeMap, HashMap};\nuse std::fs::File;\nuse std::io::{self, Read};\n",
    "#[cfg(test)]\nmod tests {\n    use super::*;\n\n    #[test]\n    fn test_new() {\n",
    "let v = vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];\n",
    "// ----------------------------------------------------------------\n",
    "/// See <https://doc.rust-lang.org/std/vec/struct.Vec.html>.\n",
    "fn main() {\n    let args: Vec<String> = std::env::args().collect();\n"
    '    println!("{}", args.len());\n}\n',
]


def write(folder: Path, *tasks: object) -> Path:
    path = folder / "tasks.jsonl"
    path.write_text("".join(json.dumps(task) + "\n" for task in tasks), "utf-8")
    return path


@pytest.mark.parametrize("name", TASKS)
def test_tasks_of_every_format_are_found_in_other_layout(name: str, tmp_path: Path) -> None:
    tasks = Decontaminator.from_tasks([write(tmp_path, TASKS[name])])
    other = "mod a {\n" + SOLUTION.replace("    ", "\t").replace(" {\n", "\n{\n") + "}\n"
    assert tasks.overlaps(other)
    assert not tasks.overlaps("pub fn double(x: u32) -> u32 {\n    let y = x + x;\n    y\n}\n" * 9)


def test_a_part_of_a_task_is_enough(tmp_path: Path) -> None:
    tasks = Decontaminator.from_tasks([write(tmp_path, TASKS["repair"])])
    assert tasks.overlaps("fn longest_plateau(heights: &[i64]) -> Option<")
    assert not tasks.overlaps("fn longest_plateau(heights: &[i64])"), "11 tokens"
    assert not tasks.overlaps("fn longest_plateau(altitudes: &[i64]) -> Option<(usize, usize)> {")


def test_what_is_shown_beside_a_task_may_be_learnt(tmp_path: Path) -> None:
    tasks = Decontaminator.from_tasks([write(tmp_path, TASKS["complete"])])
    assert not tasks.overlaps("fn shown_beside_it(gradient: Slope) {}" * 3)


def test_texts_count_whole(tmp_path: Path) -> None:
    path = tmp_path / "solution.rs"
    path.write_text(SOLUTION)
    assert list(task_texts(path)) == [SOLUTION]
    assert Decontaminator.from_tasks([path]).overlaps(SOLUTION)


@pytest.mark.parametrize("text", BOILERPLATE)
def test_what_everybody_writes_is_nobodys(text: str) -> None:
    tasks = Decontaminator.from_texts([SOLUTION, *BOILERPLATE])
    assert not tasks.overlaps(f"fn a() {{}}\n{text}fn b() {{}}\n")


def test_a_long_run_of_common_words_counts() -> None:
    text = (
        "if value.is_some() { return Ok(value.clone()); }"
        " else { for item in list.iter() { break; } } let mut count = items.len();"
    )
    assert {"value", "is_some", "item", "iter", "count"} <= set(common_words())
    tasks = Decontaminator.from_texts([text])
    assert tasks.overlaps(text)
    assert not tasks.overlaps(text[:70])


def test_errors_name_the_file_and_the_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"id": "a"}\n\n{"id": \n')
    with pytest.raises(M31RError, match=r"broken\.jsonl: line 3"):
        Decontaminator.from_tasks([broken])
    with pytest.raises(M31RError, match=r"missing\.jsonl"):
        Decontaminator.from_tasks([tmp_path / "missing.jsonl"])


def test_no_tasks_and_no_text() -> None:
    assert not Decontaminator.from_tasks([]).overlaps(SOLUTION)
    assert not Decontaminator.from_texts([""]).overlaps("")


def test_it_can_be_sent_to_other_processes() -> None:
    tasks = pickle.loads(pickle.dumps(Decontaminator.from_texts([SOLUTION])))
    assert tasks.overlaps(SOLUTION)


WORDS = st.text("abcxyz_", min_size=4, max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=13, max_size=40, unique=True), st.text(), st.text(), st.data())
def test_any_run_of_13_words_of_a_task_is_found(
    words: list[str], before: str, after: str, data: st.DataObject
) -> None:
    own = [word for word in words if word not in common_words()]
    tasks = Decontaminator.from_texts([" ".join(words)])
    at = data.draw(st.integers(0, len(words) - 13))
    run = words[at : at + 13]
    text = f"{before} {' + '.join(run)} {after}"
    assert not tasks.overlaps(text), "signs between them make another run"
    text = f"{before}\n{' '.join(run)}\n{after}"
    assert tasks.overlaps(text) == (len(set(own) & set(run)) >= 2)


@needs_bench
def test_real_tasks_are_found_and_ordinary_code_is_not() -> None:
    """Every prompt of McEval and most of MultiPL-E, and nothing of this file's boilerplate."""
    files = sorted(BENCH.glob("*.jsonl"))
    tasks = Decontaminator.from_tasks(files)
    for name, share in (("mceval_rust", 1.0), ("multipl-e_mbpp-rs", 0.95)):
        rows = [json.loads(line) for line in (BENCH / f"{name}.jsonl").read_text().splitlines()]
        found = sum(tasks.overlaps(row["prompt"]) for row in rows)
        assert found >= share * len(rows)
    assert not any(tasks.overlaps(text) for text in BOILERPLATE)
