"""A crate in which the model has something to say, whatever the model."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.editors import REPOSITORY

STEMS = ("let old = self.books.", "let other = title.", "let mut lent = Vec::")
"""Beginnings of statements that may stand behind the line of a `Library`."""

TALKATIVE = {"m31r.toml": "[completion]\nmin_confidence = 0\n"}
"""The file, with its text, that has the model say what comes to its mind."""


@dataclass(frozen=True)
class Library:
    """The crate, the file to write in, and the number of a line there, from 0."""

    crate: Path
    file: Path
    line: int


def library(folder: Path) -> Library:
    """Copy examples/ to `folder`, with `TALKATIVE`."""
    shutil.copytree(REPOSITORY / "examples", folder, ignore=shutil.ignore_patterns("target"))
    for name, text in TALKATIVE.items():
        (folder / name).write_text(text)
    file = project(folder) / "src" / "lib.rs"
    before, _, _ = file.read_text().partition("books.insert(")
    return Library(folder, file, before.count("\n") - 1)


def project(folder: Path) -> Path:
    """Make the folder one that editors take for a project."""
    (folder / ".git").mkdir()
    return folder
