"""What the repair engine asks of a compiler, whoever runs it and however.

Three things stand behind it: a cargo workspace (`workspace.py`), a single program (`program.py`),
and in time others. All of them judge *candidates*: texts that lie over files that stay as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.cargo.process import Deadline


@dataclass(frozen=True)
class Verdict:
    """The errors of the candidate set against those of the user's files.

    Errors are the same when path, code, message and the text of their line are; line numbers
    do not count. `seconds` is wall time.
    """

    new: tuple[Diagnostic, ...]
    gone: tuple[Diagnostic, ...]
    unchanged: tuple[Diagnostic, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether the candidate adds no error that was not there before."""
        return not self.new

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """All errors of the candidate."""
        return (*self.unchanged, *self.new)


class Compiler(Protocol):
    """The compiler's view of files that stay as they are while candidates are laid over them.

    Paths are those of `Diagnostic` spans. `check` may be called from `lanes` threads at once.
    """

    @property
    def lanes(self) -> int:
        """How many checks are worth running at the same time."""

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The errors without any candidate."""

    def text(self, path: str) -> bytes:
        """Return the text of a file, unsaved changes included. Raises CargoError."""

    def paths(self) -> Sequence[str]:
        """Return the Rust files that belong to the user, sorted."""

    def check(self, changes: Mapping[str, bytes], deadline: Deadline) -> Verdict:
        """Return the verdict on `changes`, whole texts by path, laid over the files.

        Raises CargoError when the compiler cannot answer before the deadline.
        """


def compare(before: Sequence[Diagnostic], after: Sequence[Diagnostic], seconds: float) -> Verdict:
    """Return the verdict on a candidate with the errors `after` where there were `before`."""
    left = Counter(error.identity for error in before)
    new: list[Diagnostic] = []
    unchanged: list[Diagnostic] = []
    for error in after:
        if left[error.identity]:
            left[error.identity] -= 1
            unchanged.append(error)
        else:
            new.append(error)
    gone: list[Diagnostic] = []
    for error in reversed(before):
        if left[error.identity]:
            left[error.identity] -= 1
            gone.insert(0, error)
    return Verdict(tuple(new), tuple(gone), tuple(unchanged), seconds)
