"""The baseline of repair: rustc's own suggestions, applied and kept if errors fall.

What `cargo fix` does, and more: suggestions of every applicability are tried, not only those that
rustc calls machine-applicable.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from m31r_core.cargo.compiler import Compiler
from m31r_core.cargo.diagnostics import Diagnostic, Suggestion
from m31r_core.cargo.process import CargoError, Deadline
from m31r_core.repair.edits import Edit, lay, overlap
from m31r_core.repair.search import RepairLimits


@dataclass(frozen=True)
class Suggested:
    """The texts that rustc's suggestions lead to, the errors left, and compilations used.

    `finished` is false when the limits ended it.
    """

    changes: Mapping[str, bytes]
    errors: tuple[Diagnostic, ...]
    checks: int
    finished: bool


def apply_suggestions(compiler: Compiler, limits: RepairLimits) -> Suggested:
    """Repair with rustc's suggestions alone, within `limits.seconds` and `limits.total`.

    In every round the machine-applicable ones are tried together, then each of all by itself. The
    round's best is kept when it leaves fewer errors, and the next round goes on from there.
    """
    deadline = Deadline(limits.seconds)
    end = time.monotonic() + limits.seconds
    state = Suggested({}, compiler.errors, 0, True)
    checks = 0
    while state.errors:
        best = state

        def text_of(path: str, laid: Mapping[str, bytes] = state.changes) -> bytes:
            return laid[path] if path in laid else compiler.text(path)

        for edits in _rounds(state.errors, set(compiler.paths())):
            if checks >= limits.total or time.monotonic() >= end:
                return Suggested(best.changes, best.errors, checks, False)
            try:
                changes = {**state.changes, **lay(edits, text_of)}
            except ValueError:
                continue
            checks += 1
            try:
                verdict = compiler.check(changes, deadline)
            except CargoError:
                return Suggested(best.changes, best.errors, checks, False)
            if len(verdict.errors) < len(best.errors):
                best = Suggested(changes, verdict.errors, checks, True)
            if not best.errors:
                break
        if best is state:
            break
        state = best
    return Suggested(state.changes, state.errors, checks, True)


def _rounds(errors: Sequence[Diagnostic], paths: set[str]) -> Iterator[list[Edit]]:
    """Yield what one round tries, each once."""
    alone = [
        (suggestion, edits)
        for error in errors
        for suggestion in error.suggestions
        if (edits := _edits(suggestion)) and all(edit.path in paths for edit in edits)
    ]
    together: list[Edit] = []
    for suggestion, edits in alone:
        certain = suggestion.applicability == "MachineApplicable"
        if certain and not overlap([*together, *edits]):
            together += edits
    seen: set[tuple[Edit, ...]] = set()
    for edits in (together, *(edits for _, edits in alone)):
        key = tuple(sorted(set(edits)))
        if key and key not in seen:
            seen.add(key)
            yield list(key)


def _edits(suggestion: Suggestion) -> list[Edit]:
    return [
        Edit(part.span.path, part.span.byte_start, part.span.byte_end, part.text)
        for part in suggestion.replacements
    ]
