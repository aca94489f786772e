"""Would this completion compile? rustc's word on ghost text, as far as it can be had."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from m31r_lsp.crates import Crates
from m31r_lsp.ghost import Ghost

if TYPE_CHECKING:
    from m31r_core.cargo.compiler import Verdict
    from m31r_core.cargo.diagnostics import Diagnostic
    from m31r_core.cargo.process import Deadline

Word = Literal["passed", "failed", "unknown"]
"""`unknown` where errors elsewhere, or a statement that is not finished, keep rustc from saying."""


@dataclass(frozen=True)
class Spot:
    """A place for text: between `before` and `after` in `file` of the crate in `folder`.

    `buffers` are the texts of the open files as they are.
    """

    folder: Path
    file: Path
    before: str
    after: str
    buffers: tuple[tuple[Path, str], ...]


def judge_all(
    crates: Crates,
    spot: Spot,
    ghosts: Sequence[Ghost],
    deadline: Deadline,
    cancelled: Callable[[], bool],
) -> list[Word]:
    """Return a word on each ghost; those that the time does not suffice for are unknown.

    Raises CargoError when the compiler cannot look at the crate at all.
    """
    from m31r_core.cargo.process import CargoError

    nothing: list[Word] = ["unknown"] * len(ghosts)
    findings = crates.look(spot.folder, dict(spot.buffers), deadline)
    snapshot, path = findings.snapshot, findings.path_of(spot.file)
    if path is None or cancelled() or not ghosts:
        return nothing
    line = spot.before.count("\n") + 1
    if any(_hides(error, path, line) for error in snapshot.errors):
        return nothing

    def word(ghost: Ghost) -> Word:
        if cancelled():
            return "unknown"
        start = len(spot.before.encode())
        candidate = (spot.before + ghost.text + spot.after[ghost.swallows :]).encode()
        try:
            verdict = snapshot.check({path: candidate}, deadline)
        except CargoError:
            return "unknown"
        return word_of(verdict, path, start, start + len(ghost.text.encode()))

    with ThreadPoolExecutor(max(1, min(snapshot.lanes, len(ghosts)))) as pool:
        return list(pool.map(word, ghosts))


def _hides(error: Diagnostic, path: str, line: int) -> bool:
    """Whether an error was there before the line was begun, and may hide what is new.

    Those without a code are of syntax: the line is not finished.
    """
    place = error.primary
    here = place is not None and place.path == path and place.line_start <= line <= place.line_end
    return error.code is not None and not here


def word_of(verdict: Verdict, path: str, start: int, end: int) -> Word:
    """Read a verdict on text that now lies at the bytes `start` to `end` of `path`.

    Errors without a code are of syntax: the statement goes on behind the cursor.
    """
    if not verdict.errors:
        return "passed"
    for error in verdict.new:
        if error.code and any(
            span.path == path and span.byte_start < end and start < span.byte_end
            for span in error.spans
            if span.is_primary
        ):
            return "failed"
    return "unknown"
