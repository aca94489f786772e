from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from m31r_core.errors import ConfigError
from m31r_core.prompt import Chunk
from m31r_eval.tasks import CompleteTask, read_tasks, write_tasks

GOOD = {"id": "1", "path": "a.rs", "prefix": "fn ", "suffix": "\n", "middle": "main() {}"}


def test_tasks_survive_a_round_trip(tmp_path: Path) -> None:
    tasks = (
        CompleteTask("1", "src/a.rs", "let é = ", "\n}\n", "1;"),
        CompleteTask("2", "b.rs", "", "", "fn x() {}", "block", (Chunk("c.rs", "struct C;"),)),
    )
    path = tmp_path / "new" / "tasks.jsonl"
    write_tasks(path, tasks)
    task_file = read_tasks(path)
    assert task_file.tasks == tasks
    assert task_file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_tasks(path, limit=1).tasks == tasks[:1]
    assert read_tasks(path, limit=1).sha256 == task_file.sha256


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[]", "a task is a JSON object"),
        (json.dumps({**GOOD, "kind": "word"}), "'kind' must be line, block or token, not 'word'"),
        (json.dumps({**GOOD, "middle": 3}), "'middle' must be a string"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "path"}), "missing key 'path'"),
        (json.dumps({**GOOD, "context": [{"path": "x"}]}), "missing key 'text'"),
        (json.dumps({**GOOD, "context": "x"}), "'context' must be a list"),
        (json.dumps({**GOOD, "id": "0"}), "id '0' is also on line 1"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text(json.dumps({**GOOD, "id": "0"}) + "\n\n" + line + "\n")
    with pytest.raises(ConfigError) as error:
        read_tasks(path)
    assert str(error.value).startswith(f"{path}:3: {message}")


def test_bytes_that_are_not_utf_8_are_named(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(b'{"id": "\xff"}\n')
    with pytest.raises(ConfigError, match=r"tasks\.jsonl:1: not UTF-8"):
        read_tasks(path)


def test_a_missing_or_empty_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    with pytest.raises(ConfigError, match=r"tasks\.jsonl: No such file"):
        read_tasks(path)
    path.write_text("\n")
    with pytest.raises(ConfigError, match=r"tasks\.jsonl: no tasks"):
        read_tasks(path)
