"""What a build remembers: finished results under a key, each whole or not there at all.

A result is a folder. It is written beside its place and renamed, so that a process killed at any
moment leaves nothing that looks finished. The key says everything that the result depends on:
asking for another result is asking under another key, and nothing is ever out of date.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# In a dataset's folder: the key of its build. The manifest says nothing of it, because keys depend
# on when files were written, and the same input is to give the same manifest.
KEY = "build.key"
_PARTIAL = "partial-"


def key_of(*parts: object) -> str:
    """Return 32 hex digits that stand for `parts`: strings, numbers, and lists or maps of them."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@cache
def code_key(*modules: str) -> str:
    """Return a hash of the source text of modules and packages beside this one, and of data files.

    Results of code that has changed since are not found again.
    """
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for module in modules:
        path = here / module
        if path.is_dir():
            files = sorted(path.rglob("*.py"))
        else:
            files = [path if path.suffix else path.with_suffix(".py")]
        for file in files:
            digest.update(file.relative_to(here).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:32]


@dataclass(frozen=True)
class Store:
    """Results of one stage, in folders under `root`; `journal` is shared by all stages."""

    root: Path
    stage: str
    journal: Path

    def path(self, key: str) -> Path:
        """Return the folder of a result, whether or not it is there."""
        return self.root / key[:2] / key

    def has(self, key: str) -> bool:
        """Whether the result is there, and so is whole."""
        return self.path(key).is_dir()

    @contextmanager
    def writing(self, key: str, name: str) -> Iterator[Path]:
        """Yield an empty folder that becomes the result when the block ends without an error.

        `name` is what the journal calls it.
        """
        target = self.path(key)
        partial = self.root / f"{_PARTIAL}{key}-{os.getpid()}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        self._note("start", name)
        try:
            yield partial
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.rename(target)
        except OSError:
            # Another process was quicker; its result is the same.
            shutil.rmtree(partial)
        self._note("done", name)

    def prune(self, keys: Iterable[str]) -> None:
        """Remove all results but those of `keys`, and what killed processes left."""
        wanted = {self.path(key) for key in keys}
        for folder in self.root.glob("*/*"):
            if folder.parent.name.startswith(_PARTIAL) or folder in wanted:
                continue
            shutil.rmtree(folder)
        for folder in self.root.glob(f"{_PARTIAL}*"):
            shutil.rmtree(folder)

    def _note(self, event: str, name: str) -> None:
        """Append a line to the journal; a line this short is written in one piece."""
        line = json.dumps({"stage": self.stage, "event": event, "unit": name}) + "\n"
        descriptor = os.open(self.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)
