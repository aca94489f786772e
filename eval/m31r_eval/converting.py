"""Public benchmarks as tasks; which one a file is, its first line says.

    MultiPL-E      {"name", "prompt", "test", "stop_tokens", …}                     -> generate
    McEval         {"task_id", "prompt", "canonical_solution", "test", …}           -> generate
    pairs          {"id", "broken", "fixed", "edition"?, "kind"?,                   -> repair
                    "wrap_in_main_if_no_fn_main"?, "unhide_hash_lines"?}

Snippets of documentation are no whole programs; they are made into programs as rustdoc does it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m31r_core.errors import ConfigError
from m31r_core.syntax import parse
from m31r_eval.generate_tasks import GenerateTask
from m31r_eval.repair_tasks import MAIN, RepairTask
from m31r_eval.tasks import Task, read_lines, string

_MAIN = re.compile(r"^\s*(?:pub\s+)?(?:const\s+|async\s+|unsafe\s+)*fn\s+main\s*[<(]", re.MULTILINE)


@dataclass(frozen=True)
class _Pair:
    task: RepairTask
    kind: str

    @property
    def id(self) -> str:
        return self.task.id

    def as_json(self) -> dict[str, object]:
        return self.task.as_json()


def read_pairs(path: Path) -> list[RepairTask]:
    """Return the tasks that the pairs of `path` make, those of another kind than "fix" left out.

    Raises ConfigError naming file and line where a pair is wrong.
    """
    pairs = read_lines(path, _pair).tasks
    return [pair.task for pair in pairs if pair.kind == "fix"]


def read_programs(path: Path) -> list[GenerateTask]:
    """Return the tasks of a file of MultiPL-E or McEval.

    Raises ConfigError naming file and line where an object is wrong.
    """
    return list(read_lines(path, _program_task).tasks)


def convert(path: Path) -> list[Task]:
    """Return the tasks that the benchmark in `path` makes.

    Raises ConfigError for a file of another kind, and as the readers of each.
    """
    first = read_lines(path, _Anything, limit=1).tasks[0]
    if "broken" in first.data:
        return [*read_pairs(path)]
    if "prompt" in first.data:
        return [*read_programs(path)]
    raise ConfigError(
        f"{path}: neither MultiPL-E nor McEval nor pairs; see m31r-eval convert --help"
    )


class _Anything:
    """An object of some benchmark; only its keys are looked at."""

    def __init__(self, data: object) -> None:
        if not isinstance(data, dict):
            raise ValueError("a task is a JSON object")
        self.data = data
        self.id = "first"

    def as_json(self) -> dict[str, object]:
        return self.data


def _program_task(data: object) -> GenerateTask:
    if not isinstance(data, dict):
        raise ValueError("a task is a JSON object")
    if "canonical_solution" in data:
        return GenerateTask(
            id=string(data, "task_id"),
            prompt=string(data, "prompt"),
            tests="\n" + string(data, "test"),
            solution=string(data, "canonical_solution"),
        )
    return GenerateTask(
        id=string(data, "name"), prompt=string(data, "prompt"), tests=string(data, "test")
    )


def _pair(data: object) -> _Pair:
    if not isinstance(data, dict):
        raise ValueError("a pair is a JSON object")
    task = RepairTask(
        id=string(data, "id"),
        edition=string(data, "edition") if "edition" in data else "2021",
        files={MAIN: _program(data, "broken")},
        fixed=_program(data, "fixed"),
    )
    return _Pair(task, data.get("kind", "fix"))


def _program(data: dict[str, Any], key: str) -> str:
    text = string(data, key)
    if data.get("unhide_hash_lines"):
        text = unhide(text)
    return wrap_in_main(text) if data.get("wrap_in_main_if_no_fn_main") else text


def unhide(text: str) -> str:
    """Show the lines that rustdoc hides: `# code` becomes `code`, `##` a single `#`."""
    return "\n".join(map(_unhide_line, text.split("\n")))


def _unhide_line(line: str) -> str:
    bare = line.lstrip()
    indent = line[: len(line) - len(bare)]
    if bare.startswith("##"):
        return indent + bare[1:]
    if bare.startswith("# "):
        return indent + bare[2:]
    return "" if bare.rstrip() == "#" else line


def wrap_in_main(text: str) -> str:
    """Put `fn main() { … }` around a text that has none.

    As rustdoc does, `#![…]` and `extern crate` stay outside, on top.
    """
    source = text.encode()
    root = parse(source).root_node
    names = [
        child.child_by_field_name("name")
        for child in root.children
        if child.type == "function_item"
    ]
    if any(name is not None and name.text == b"main" for name in names):
        return text
    if root.has_error and _MAIN.search(text):
        return text
    outside, rest, at = [], [], 0
    for node in root.children:
        if node.type in ("inner_attribute_item", "extern_crate_declaration"):
            rest.append(source[at : node.start_byte].decode())
            outside.append(source[node.start_byte : node.end_byte].decode().strip())
            at = node.end_byte
    rest.append(source[at:].decode())
    body = "".join(rest).strip("\n")
    return "\n".join([*outside, "fn main() {", body, "}", ""])
