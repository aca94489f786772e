"""Whose error it is, when several mutants are tried in one run of rustc."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from m31r_core.cargo import Diagnostic, Note, Span, parse_messages
from m31r_data.compile.batch import Batch

EARLY_OR_LATE = frozenset({"E0080", "E0275", "E0391", "E0446"})
"""Errors that rustc finds before or after all bodies, so that they hide those of others."""

_OF_BODIES = ("lifetime may not live long enough", "captured variable cannot escape")
"""Errors without a code that the borrow checker reports for one body."""


def errors_of(stderr: str) -> list[dict[str, Any]]:
    """Return rustc's errors as it wrote them; what is no diagnostic is left out.

    Procedural macros can write here too.
    """
    errors = []
    for line in stderr.splitlines():
        if not line.startswith("{"):
            continue
        try:
            message = json.loads(line)
            level, spans = message["level"], message["spans"]
            if message["$message_type"] != "diagnostic" or not level.startswith("error"):
                continue
            if spans or not message["message"].startswith("aborting due to"):
                errors.append(message)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    return errors


def as_diagnostics(errors: Sequence[Mapping[str, Any]]) -> tuple[Diagnostic, ...]:
    """Return the errors as data classes, each once."""
    return tuple(parse_messages([json.dumps(error) for error in errors]))


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
    try:
        return replace(
            diagnostic,
            spans=tuple(_span(span, number, batch) for span in diagnostic.spans),
            suggestions=tuple(
                replace(
                    suggestion,
                    replacements=tuple(
                        replace(each, span=_span(each.span, number, batch))
                        for each in suggestion.replacements
                    ),
                )
                for suggestion in diagnostic.suggestions
            ),
            notes=tuple(
                Note(
                    note.level,
                    note.message,
                    tuple(_span(span, number, batch) for span in note.spans),
                )
                for note in diagnostic.notes
            ),
        )
    except _NotTheSameError:
        return None


class _NotTheSameError(Exception):
    """A span cannot be mapped."""


def _span(span: Span, number: int, batch: Batch) -> Span:
    found = batch.alone(number, span.path, span.byte_start, span.byte_end, span.line_start)
    if found is None:
        raise _NotTheSameError
    return replace(span, byte_start=found[0], byte_end=found[1])


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
