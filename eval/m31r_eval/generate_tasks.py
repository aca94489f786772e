"""Tasks to write a program: one JSON object a line.

    {"id", "prompt", "tests", "edition", "solution"?: "…"}

The program is prompt + completion + tests. Where the tests have `#[test]` functions it is run with
`rustc --test`, else as a binary whose `fn main` is in the tests. `solution` is a completion that is
right, if one is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from m31r_core.brackets import brackets, is_closer, matches
from m31r_eval.repair_tasks import EDITIONS
from m31r_eval.tasks import TaskFile, read_lines, string

_HELPER = re.compile(r"\s*(?:///?[^\n]*\n\s*)*(?:pub |const |unsafe )*fn\s+(?P<name>\w+)")
_TEST = re.compile(r"#\[\s*test\s*\]")


@dataclass(frozen=True)
class GenerateTask:
    """The beginning of a program, and the tests that decide about its end."""

    id: str
    prompt: str
    tests: str
    edition: str = "2021"
    solution: str | None = None

    @property
    def has_test_functions(self) -> bool:
        """Whether it is run by the test harness."""
        return _TEST.search(self.tests) is not None

    @property
    def closes_in_tests(self) -> bool:
        """Whether the last bracket is the tests' and not the completion's to close."""
        return self.tests.lstrip().startswith("}")

    def program(self, completion: str) -> str:
        """Return the whole program."""
        return self.prompt + completion + self.tests

    def as_json(self) -> dict[str, object]:
        """Return the task as the object of its line."""
        data: dict[str, object] = {
            "id": self.id,
            "prompt": self.prompt,
            "tests": self.tests,
            "edition": self.edition,
        }
        return data if self.solution is None else {**data, "solution": self.solution}


def read_generate_tasks(path: Path, limit: int | None = None) -> TaskFile[GenerateTask]:
    """Read the tasks of `path`, at most the first `limit`. Raises ConfigError as `read_lines`."""
    return read_lines(path, _task, limit)


def end_of_body(task: GenerateTask, text: str) -> int | None:
    """Return where the function that the prompt begins ends in `text`; None while it does not.

    That is before or behind the bracket that closes it, as the tests have it.
    """
    depth: list[str] = []
    for _, bracket in brackets(task.prompt):
        if not is_closer(bracket):
            depth.append(bracket)
        elif depth and matches(depth[-1], bracket):
            depth.pop()
    begun = bool(depth)
    for at, bracket in brackets(text):
        if not is_closer(bracket):
            depth.append(bracket)
            begun = True
        elif depth and matches(depth[-1], bracket):
            depth.pop()
        if begun and not depth:
            return at if task.closes_in_tests else at + 1
    return None


def cut_body(task: GenerateTask, text: str) -> str:
    """Return `text` up to the end of the function that the prompt begins.

    Whole functions behind it stay, where they can stand, for they may help it; a `main` does not.
    """
    end = end_of_body(task, text)
    if end is None:
        return text
    if not task.closes_in_tests:
        while (more := _HELPER.match(text, end)) and more["name"] != "main":
            closed = _closed(text, more.end())
            if closed is None:
                break
            end = closed
    return text[:end]


def _closed(text: str, start: int) -> int | None:
    """Return where the first bracket `{` from `start` on, and all in it, is closed."""
    open_now = 0
    for at, bracket in brackets(text[start:]):
        if bracket == "{":
            open_now += 1
        elif bracket == "}":
            open_now -= 1
            if open_now == 0:
                return start + at + 1
    return None


def _task(data: object) -> GenerateTask:
    if not isinstance(data, dict):
        raise ValueError("a task is a JSON object")
    edition = string(data, "edition")
    if edition not in EDITIONS:
        raise ValueError(f"'edition' must be one of {', '.join(EDITIONS)}, not {edition!r}")
    if not isinstance(data.get("solution"), str | None):
        raise ValueError("'solution' must be a string or null")
    return GenerateTask(
        string(data, "id"),
        string(data, "prompt"),
        string(data, "tests"),
        edition,
        data.get("solution"),
    )
