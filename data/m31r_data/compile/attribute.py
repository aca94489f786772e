"""Whose error it is, when several mutants are tried in one run of rustc."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from m31r_core.cargo import Diagnostic, Note, Span
from m31r_data.compile.batch import Batch

EARLY_OR_LATE = frozenset({"E0080", "E0275", "E0391", "E0446"})
"""Errors that rustc finds before or after all bodies, so that they hide those of others."""

_OF_BODIES = ("lifetime may not live long enough", "captured variable cannot escape")
"""Errors without a code that the borrow checker reports for one body."""

_HEADER = re.compile(r"^( *(?:-->|:::) +)(.*):(\d+)(:\d+.*)$")
_GUTTER = re.compile(r"^( *)(\d+)( +[|+~-](?: .*)?)$")


def hides_others(error: Mapping[str, Any]) -> bool:
    """Whether rustc may have stopped at this error before it came to others."""
    code = (error.get("code") or {}).get("code")
    if code is None:
        return not str(error["message"]).startswith(_OF_BODIES)
    return code in EARLY_OR_LATE


def owner_of(error: Mapping[str, Any], batch: Batch) -> int | None:
    """Return the mutant in whose scope the primary spans lie, through macros; None for no one."""
    owners = set()
    for span in error["spans"]:
        if span["is_primary"]:
            owners.add(_owner_of_span(span, batch))
    return owners.pop() if len(owners) == 1 else None


def diagnostic_alone(diagnostic: Diagnostic, number: int, batch: Batch) -> Diagnostic | None:
    """Return what rustc would say were `number` the only mutant; None where it is not certain."""

    def moved(span: Span) -> Span:
        found = batch.alone(number, span.path, span.byte_start, span.byte_end)
        shift = _line_alone(batch, number, span.path, span.line_start) - span.line_start
        if found is None:
            raise _NotTheSameError
        return replace(
            span,
            byte_start=found[0],
            byte_end=found[1],
            line_start=span.line_start + shift,
            line_end=span.line_end + shift,
        )

    try:
        result = _with_spans(diagnostic, moved)
        return replace(result, rendered=_renumber(diagnostic, number, batch))
    except _NotTheSameError:
        return None


class _NotTheSameError(Exception):
    """Something cannot be mapped."""


def _with_spans(diagnostic: Diagnostic, moved: Callable[[Span], Span]) -> Diagnostic:
    return replace(
        diagnostic,
        spans=tuple(moved(span) for span in diagnostic.spans),
        suggestions=tuple(
            replace(
                suggestion,
                replacements=tuple(
                    replace(each, span=moved(each.span)) for each in suggestion.replacements
                ),
            )
            for suggestion in diagnostic.suggestions
        ),
        notes=tuple(
            Note(note.level, note.message, tuple(moved(span) for span in note.spans))
            for note in diagnostic.notes
        ),
    )


def _renumber(diagnostic: Diagnostic, number: int, batch: Batch) -> str:
    """The rendered text with the line numbers that it has alone."""

    def moved(digits: str) -> str:
        text = str(_line_alone(batch, number, path, int(digits)))
        if len(text) != len(digits):
            # The column of numbers may be another one then.
            raise _NotTheSameError
        return text

    primary = diagnostic.primary
    home = path = primary.path if primary else ""
    lines = []
    for line in diagnostic.rendered.split("\n"):
        if found := _HEADER.match(line):
            path = found[2]
            line = f"{found[1]}{path}:{moved(found[3])}{found[4]}"
        elif found := _GUTTER.match(line):
            line = f"{found[1]}{moved(found[2])}{found[3]}"
        elif not line.startswith((" ", "...")):
            # A note or a suggestion: of the file that the message is about, unless it says so.
            path = home
        lines.append(line)
    return "\n".join(lines)


def _line_alone(batch: Batch, number: int, path: str, line: int) -> int:
    found = batch.line_alone(number, path, line)
    if found is None:
        raise _NotTheSameError
    return found


def _owner_of_span(span: Mapping[str, Any], batch: Batch) -> int | None:
    for each in _places(span):
        owner = batch.owner(each["file_name"], each["byte_start"], each["byte_end"])
        if owner is not None:
            return owner
    return None


def _places(span: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The span, and where the macros stand that it comes from."""
    while True:
        yield span
        if not span.get("expansion"):
            return
        span = span["expansion"]["span"]
