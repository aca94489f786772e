"""rustc's errors about code that nobody vouches for, the same text on every machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from m31r_core.cargo.diagnostics import Diagnostic, parse_messages

_LONG_TYPE = (
    "the full name for the type has been written to",
    "the full type name has been written to",
    "consider using `--verbose` to print the full type name",
)
_IN_RENDERED = tuple(f"note: {text}" for text in _LONG_TYPE)
"""Notes on files that rustc writes beside its output, named at random."""


def errors_of(stderr: str, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return rustc's errors; what is no diagnostic is left out, for macros can write here too.

    Folders of this machine are called by `names`, and notes on files in them are left out, so that
    the same error is the same everywhere.
    """
    for folder in sorted(names, key=len, reverse=True):
        stderr = stderr.replace(f"{folder}/", names[folder])
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
                errors.append(_without_long_types(message))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    return errors


def _without_long_types(message: dict[str, Any]) -> dict[str, Any]:
    children = [c for c in message["children"] if not c["message"].startswith(_LONG_TYPE)]
    if len(children) == len(message["children"]):
        return message
    lines = (message.get("rendered") or "").split("\n")
    kept = [line for line in lines if not line.strip(" =").startswith(_IN_RENDERED)]
    return {**message, "children": children, "rendered": "\n".join(kept)}


def as_diagnostics(errors: Sequence[Mapping[str, Any]]) -> tuple[Diagnostic, ...]:
    """Return the errors as data classes, each once, in the order of their places.

    rustc's own order is another one when it remembers some bodies from the run before.
    """
    return tuple(sorted(parse_messages([json.dumps(error) for error in errors]), key=_place))


def _place(diagnostic: Diagnostic) -> tuple[str, int, int, str, str, str]:
    span = diagnostic.primary
    place = (span.path, span.byte_start, span.byte_end) if span else ("", 0, 0)
    return (*place, diagnostic.code or "", diagnostic.message, diagnostic.rendered)
