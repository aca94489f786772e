"""Repair tasks: programs that do not compile.

    {"id", "edition", "files": {"src/main.rs": "…"}, "tests": null | "…", "fixed": null | "…"}
    {"id", "edition", "files": {"src/a.rs": "…"}, "crate": "fst-0.4.7", "fixed": null | "…"}

With a `crate`, the files (the one to repair first) lie over those of that crate, which is only
compiled. `tests` is Rust that is put behind the repaired main file: with a `fn main` it is run as a
binary, else with `rustc --test`. `fixed` is a reference for the main file. `{"kind": …}` and other
keys that say where a task comes from are allowed and ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from m31r_eval.tasks import TaskFile, read_lines, string

MAIN = "src/main.rs"
LIBRARY = "src/lib.rs"
EDITIONS = ("2015", "2018", "2021", "2024")


@dataclass(frozen=True)
class RepairTask:
    """A program of one or a few files, its tests, and how somebody repaired it."""

    id: str
    edition: str
    files: dict[str, str]
    tests: str | None = None
    fixed: str | None = None
    crate: str | None = None
    """The folder of a real crate that the files lie over."""

    @property
    def main(self) -> str:
        """The path of the program's root; in a crate that of the file to repair."""
        if self.crate is not None:
            return next(iter(self.files))
        return MAIN if MAIN in self.files else LIBRARY

    @property
    def is_library(self) -> bool:
        """Whether there is nothing to run but tests."""
        return self.crate is not None or self.main == LIBRARY

    @property
    def tests_are_a_program(self) -> bool:
        """Whether the tests bring their own `fn main`."""
        return self.tests is not None and re.search(r"\bfn\s+main\b", self.tests) is not None

    def as_json(self) -> dict[str, object]:
        """Return the task as the object of its line."""
        data: dict[str, object] = {
            "id": self.id,
            "edition": self.edition,
            "files": self.files,
            "tests": self.tests,
            "fixed": self.fixed,
        }
        return data if self.crate is None else {**data, "crate": self.crate}


def read_repair_tasks(path: Path, limit: int | None = None) -> TaskFile[RepairTask]:
    """Read the tasks of `path`, at most the first `limit`. Raises ConfigError as `read_lines`."""
    return read_lines(path, _task, limit)


def _task(data: object) -> RepairTask:
    if not isinstance(data, dict):
        raise ValueError("a task is a JSON object")
    files = data.get("files")
    if not isinstance(files, dict) or not all(isinstance(text, str) for text in files.values()):
        raise ValueError("'files' must be an object of texts by path")
    crate = data.get("crate")
    if not isinstance(crate, str | None):
        raise ValueError("'crate' must be a string or null")
    if crate is None and not {MAIN, LIBRARY} & files.keys():
        raise ValueError(f"'files' must hold {MAIN} or {LIBRARY}")
    edition = string(data, "edition")
    if edition not in EDITIONS:
        raise ValueError(f"'edition' must be one of {', '.join(EDITIONS)}, not {edition!r}")
    if crate is not None and (not files or data.get("tests") is not None):
        raise ValueError("with a 'crate' there are 'files' and no 'tests'")
    for key in ("tests", "fixed"):
        if not isinstance(data.get(key), str | None):
            raise ValueError(f"'{key}' must be a string or null")
    return RepairTask(
        string(data, "id"), edition, files, data.get("tests"), data.get("fixed"), crate
    )
