"""rustc's JSON diagnostics as data classes.

The fields are those of <https://doc.rust-lang.org/rustc/json.html>; what no caller needs is
left out.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_STD = re.compile(r"^/rustc/|[/\\\\]rustlib[/\\\\]src[/\\\\]")


@dataclass(frozen=True)
class Span:
    """A stretch of source text.

    `path` is as rustc wrote it: relative to the workspace root for its members. Bytes count
    from 0 and `byte_end` is exclusive; lines and columns (in characters) count from 1.
    `from_macro` says that the text was written by a macro that the span only points to.
    """

    path: str
    byte_start: int
    byte_end: int
    line_start: int
    line_end: int
    column_start: int
    column_end: int
    is_primary: bool
    label: str | None
    text: tuple[str, ...]
    from_macro: bool = False


@dataclass(frozen=True)
class Note:
    """What rustc adds to a message: `level` is note or help."""

    level: str
    message: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Replacement:
    """Put `text` in the place of `span`."""

    span: Span
    text: str


@dataclass(frozen=True)
class Suggestion:
    """One repair that rustc proposes: replacements that belong together.

    `applicability` is rustc's: MachineApplicable, MaybeIncorrect, HasPlaceholders, Unspecified.
    """

    message: str
    applicability: str
    replacements: tuple[Replacement, ...]


@dataclass(frozen=True)
class Diagnostic:
    """An error or a warning with the repairs that rustc proposes. `code` is like "E0308".

    `notes` are its sub-messages, those that carry a suggestion too.
    """

    level: str
    code: str | None
    message: str
    spans: tuple[Span, ...]
    suggestions: tuple[Suggestion, ...]
    rendered: str
    notes: tuple[Note, ...] = ()

    @property
    def primary(self) -> Span | None:
        """The span the message is about; None for a message about no place in particular."""
        return next((span for span in self.spans if span.is_primary), None)

    @property
    def is_error(self) -> bool:
        """Whether it stops the compilation."""
        return self.level.startswith("error")

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What stays the same when lines move: path, code, message and the text of the line."""
        span = self.primary
        line = span.text[0].strip() if span and span.text else ""
        return (span.path if span else "", self.code or "", self.message, line)


def parse_messages(lines: Iterable[str]) -> list[Diagnostic]:
    """Read the JSON that cargo or rustc itself prints, in its order, each message once.

    A library and its tests are compiled separately and say the same twice. The closing
    "aborting due to ..." is no diagnostic of its own and is left out.
    """
    seen: dict[tuple[object, ...], Diagnostic] = {}
    for line in lines:
        if not line.startswith("{"):
            continue
        record = json.loads(line)
        if record.get("reason") == "compiler-message":
            message = record["message"]
        elif record.get("$message_type") == "diagnostic":
            message = record
        else:
            continue
        diagnostic = _diagnostic(message)
        if not diagnostic.spans and diagnostic.message.startswith("aborting due to"):
            continue
        key = (diagnostic.level, diagnostic.code, diagnostic.message, diagnostic.spans)
        seen.setdefault(key, diagnostic)
    return list(seen.values())


def _diagnostic(message: Mapping[str, Any]) -> Diagnostic:
    code = message.get("code")
    return Diagnostic(
        level=message["level"],
        code=code["code"] if code else None,
        message=message["message"],
        spans=tuple(_span(span) for span in message["spans"]),
        suggestions=tuple(
            suggestion
            for part in (message, *message["children"])
            for suggestion in _suggestions(part)
        ),
        rendered=message.get("rendered") or "",
        notes=tuple(
            Note(part["level"], part["message"], tuple(_span(span) for span in part["spans"]))
            for part in message["children"]
        ),
    )


def _span(span: Mapping[str, Any]) -> Span:
    """The span, or the place in the user's code that led to it where it lies in std's macros."""
    from_macro = span.get("expansion") is not None
    while span.get("expansion") is not None and _STD.search(span["file_name"]):
        span = {
            **span["expansion"]["span"],
            "is_primary": span["is_primary"],
            "label": span.get("label"),
            "suggested_replacement": None,
        }
    return Span(
        path=span["file_name"],
        byte_start=span["byte_start"],
        byte_end=span["byte_end"],
        line_start=span["line_start"],
        line_end=span["line_end"],
        column_start=span["column_start"],
        column_end=span["column_end"],
        is_primary=span["is_primary"],
        label=span.get("label"),
        text=tuple(line["text"] for line in span["text"]),
        from_macro=from_macro,
    )


def _suggestions(part: Mapping[str, Any]) -> list[Suggestion]:
    """The suggestions of one message or child.

    Several spans are one suggestion in parts, unless they meet: then each is an alternative.
    """
    spans = [span for span in part["spans"] if span.get("suggested_replacement") is not None]
    if not spans:
        return []
    replacements = [Replacement(_span(span), span["suggested_replacement"]) for span in spans]
    groups = [[item] for item in replacements] if _meet(replacements) else [replacements]
    applicability = spans[0].get("suggestion_applicability") or "Unspecified"
    return [Suggestion(part["message"], applicability, tuple(group)) for group in groups]


def _meet(replacements: Sequence[Replacement]) -> bool:
    """Whether two of them start at the same place or overlap."""
    ordered = sorted(
        (item.span.path, item.span.byte_start, item.span.byte_end) for item in replacements
    )
    return any(
        a[0] == b[0] and (b[1] < a[2] or b[1] == a[1]) for a, b in itertools.pairwise(ordered)
    )
