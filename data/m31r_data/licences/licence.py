"""A licence that holds for something, and the places that say so by a file's path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

# Folders of other people's code: what holds for the project need not hold there.
_VENDORED = re.compile(
    r"(?:^|.*/)(?:vendor|vendored|third[_-]?party|3rd[_-]?party)/", re.IGNORECASE
)


@dataclass(frozen=True)
class Licence:
    """An SPDX expression, or empty when unknown, and where it stands (`Cargo.toml` …)."""

    expression: str = ""
    place: str = ""


UNKNOWN = Licence()


@dataclass(frozen=True)
class Rule:
    """What a file says about paths: those below `folder` whose rest matches `pattern` wholly.

    `stem` is the part of the pattern before its first wildcard. `adds` says that the licence holds
    beside what the file itself says, not only where it says nothing.
    """

    folder: str
    stem: str
    pattern: re.Pattern[str]
    licence: Licence
    adds: bool = False

    def covers(self, path: str) -> bool:
        """Say whether it holds for `path`: vendored folders only when the pattern names them."""
        rest = below(self.folder, path)
        if rest is None or not self.pattern.fullmatch(rest):
            return False
        return self.stem.startswith(vendored_part(rest))


class Tree(Protocol):
    """Files of a project: a folder, an archive, a commit. Paths are relative to its top, with `/`;
    the top itself is the empty path. Only regular files count.
    """

    def read(self, path: str) -> bytes | None:
        """Return the content of a small file, or None when it is none."""

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in `folder`, sorted."""


def below(folder: str, path: str) -> str | None:
    """Return `path` as seen from `folder`, or None when it lies elsewhere."""
    if not folder:
        return path
    return path[len(folder) + 1 :] if path.startswith(f"{folder}/") else None


def vendored_part(path: str) -> str:
    """Return the folders of `path` up to the last one that holds other people's code, or empty.

    >>> vendored_part("third_party/png/src/lib.rs")
    'third_party/'
    """
    found = _VENDORED.match(path)
    return found[0] if found else ""


def join(folder: str, name: str) -> str:
    """Return the path of `name` in `folder`."""
    return f"{folder}/{name}" if folder else name


def folders_above(path: str) -> list[str]:
    """Return the folders that hold `path`, nearest first, the top (empty) last."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[:i]) for i in range(len(parts), -1, -1)]
