from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_core.shards import DocumentRecord, TokenDataset
from m31r_core.tokenizer import Tokenizer
from m31r_eval.building import Cursor, build_line_tasks, cut, find_cursor
from m31r_eval.settings import TaskSettings
from m31r_eval.tasks import CompleteTask

RECORD = DocumentRecord("p", "1", "src/lib.rs", "MIT", "src", "0" * 64)


def build(dataset: Path, tokenizer: Tokenizer, count: int, **settings: float) -> list[CompleteTask]:
    return build_line_tasks(
        TokenDataset.open(dataset, "test"),
        tokenizer,
        count=count,
        seed=0,
        settings=TaskSettings(**settings),  # type: ignore[arg-type]
    )


def test_every_task_is_the_rest_of_a_line_of_code(
    dataset_path: Path, tokenizer: Tokenizer, texts: dict[str, str]
) -> None:
    tasks = build(dataset_path, tokenizer, 20)
    assert len({task.id for task in tasks}) == len(tasks) == 20
    for task in tasks:
        assert task.prefix + task.middle + task.suffix == texts[task.path]
        assert sum(map(str.isalpha, task.middle)) >= 3
        assert "\n" not in task.middle
        assert task.suffix.startswith("\n")
        line = (task.prefix + task.middle).rsplit("\n", 1)[-1]
        assert "//" not in line
        assert "words" not in task.middle or '"' not in task.prefix.rsplit("\n", 1)[-1]


def test_every_file_gives_one_task_before_any_gives_two(
    dataset_path: Path, tokenizer: Tokenizer
) -> None:
    tasks = build(dataset_path, tokenizer, 3, package_share=1.0)
    # The fourth file holds comments only.
    assert len({task.path for task in tasks}) == 3


def test_no_package_gives_more_than_its_share_while_others_can(
    dataset_path: Path, tokenizer: Tokenizer
) -> None:
    tasks = build(dataset_path, tokenizer, 8, package_share=0.5)
    assert Counter(task.path.split("/")[0] for task in tasks) == {"stack": 4, "units": 4}


def test_the_split_gives_what_it_can(dataset_path: Path, tokenizer: Tokenizer) -> None:
    tasks = build(dataset_path, tokenizer, 1000)
    assert 20 < len(tasks) < 32


def test_the_same_seed_gives_the_same_tasks(dataset_path: Path, tokenizer: Tokenizer) -> None:
    assert build(dataset_path, tokenizer, 12) == build(dataset_path, tokenizer, 12)


@pytest.mark.parametrize("text", ["", "\n\n", "// words in a comment\n", "{}\n();\n", "ab\n"])
def test_a_file_without_code_to_complete_has_no_cursor(text: str) -> None:
    assert find_cursor(text, set(), random.Random(0), TaskSettings()) is None


def test_windows_are_cut_at_line_ends() -> None:
    text = "let first = 1;\nlet second = 2;\nlet third = 3;\nlet fourth = 4;\nlet fifth = 5;\n"
    task = cut(
        text, Cursor(2, text.index("third")), RECORD, TaskSettings(prefix_bytes=30, suffix_bytes=20)
    )
    assert task.prefix == "let second = 2;\nlet "
    assert task.middle == "third = 3;"
    assert task.suffix == "\nlet fourth = 4;"


def test_a_carriage_return_stays_out_of_the_middle() -> None:
    task = cut("let abc = 1;\r\n}", Cursor(0, 4), RECORD, TaskSettings())
    assert (task.middle, task.suffix) == ("abc = 1;", "\r\n}")


@given(
    st.text(alphabet="aé🦀 \n;", max_size=60), st.integers(0, 60), st.integers(1, 40),
    st.integers(1, 40),
)  # fmt: skip
def test_windows_are_valid_parts_of_the_file(text: str, at: int, before: int, after: int) -> None:
    offset = min(at, len(text))
    settings = TaskSettings(prefix_bytes=before, suffix_bytes=after)
    task = cut(text, Cursor(0, offset), RECORD, settings)
    assert task.prefix + task.middle + task.suffix in text
    assert text[:offset].endswith(task.prefix)
    assert len(task.prefix.encode()) <= before
    assert len(task.suffix.encode()) <= after
    assert "\n" not in task.middle
