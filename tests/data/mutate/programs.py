"""Programs, one a family of mutators, and what each of them makes of one of its places."""

from __future__ import annotations

import subprocess
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from m31r_core.cargo import Diagnostic, parse_messages

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """The lines of a program that a mutator changes, into what, and the code rustc gives it."""

    family: str
    mutator: str
    lines: str
    becomes: str
    code: str


@dataclass(frozen=True)
class Program:
    text: bytes
    files: Mapping[str, str]
    cases: tuple[Case, ...]


@cache
def programs() -> Mapping[str, Program]:
    found = {}
    for path in sorted(FOLDER.glob("*.toml")):
        read = tomllib.loads(path.read_text("utf-8"))
        cases = tuple(Case(path.stem, **case) for case in read["case"])
        found[path.stem] = Program(read["program"].encode(), read.get("files", {}), cases)
    return found


def cases() -> Iterator[Case]:
    for program in programs().values():
        yield from program.cases


def errors_of(text: bytes, files: Mapping[str, str]) -> list[Diagnostic]:
    """What rustc says of a library with this text."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "lib.rs")
        root.write_bytes(text)
        for name, content in files.items():
            Path(folder, name).write_text(content)
        command = ["rustc", "--edition=2021", "--crate-type=lib", "--emit=metadata"]
        command += ["--error-format=json", "--cap-lints=allow", "--out-dir", folder, str(root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [each for each in parse_messages(done.stderr.splitlines()) if each.is_error]
