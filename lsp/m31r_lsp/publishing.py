"""rustc's errors and warnings as diagnostics of the editor, after a save."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from m31r_core.cargo.diagnostics import Diagnostic, Span
from m31r_core.cargo.process import CargoError
from m31r_lsp.documents import Encoding
from m31r_lsp.positions import ByteLines

if TYPE_CHECKING:
    from m31r_core.cargo import Snapshot

SOURCE = "m31r"
_CODES = "https://doc.rust-lang.org/error_codes/{}.html"


def diagnostics_of(
    snapshot: Snapshot, encoding: Encoding, *, related: bool
) -> Mapping[Path, list[types.Diagnostic]]:
    """Return what rustc says, by file; `related` says that the client shows other places too."""
    lines: dict[str, ByteLines | None] = {}
    found: dict[Path, list[types.Diagnostic]] = {}

    def location(span: Span) -> types.Location | None:
        if span.path not in lines:
            try:
                lines[span.path] = ByteLines(snapshot.text(span.path), encoding)
            except (CargoError, OSError, KeyError):  # a file of the standard library
                lines[span.path] = None
        index = lines[span.path]
        if index is None:
            return None
        where = index.range(span.byte_start, span.byte_end)
        return types.Location(snapshot.file_of(span.path).as_uri(), where)

    for diagnostic in snapshot.diagnostics:
        place = diagnostic.primary and location(diagnostic.primary)
        if not diagnostic.primary or not place:
            continue
        made = _diagnostic(diagnostic, place.range)
        if related:
            made.related_information = list(_related(diagnostic, location)) or None
        found.setdefault(snapshot.file_of(diagnostic.primary.path), []).append(made)
    return found


def _diagnostic(diagnostic: Diagnostic, where: types.Range) -> types.Diagnostic:
    label = diagnostic.primary.label if diagnostic.primary else None
    notes = [f"{note.level}: {note.message}" for note in diagnostic.notes if not note.spans]
    code = diagnostic.code
    is_rustc_code = code is not None and code[:1] == "E" and code[1:].isdecimal()
    return types.Diagnostic(
        range=where,
        severity=types.DiagnosticSeverity.Error
        if diagnostic.is_error
        else types.DiagnosticSeverity.Warning,
        code=code,
        code_description=types.CodeDescription(_CODES.format(code)) if is_rustc_code else None,
        source=SOURCE,
        message="\n".join([diagnostic.message, *([label] if label else []), *notes]),
        tags=_tags(code),
    )


def _tags(code: str | None) -> list[types.DiagnosticTag] | None:
    if code is not None and (code.startswith("unused") or code == "dead_code"):
        return [types.DiagnosticTag.Unnecessary]
    return [types.DiagnosticTag.Deprecated] if code == "deprecated" else None


def _related(
    diagnostic: Diagnostic, location: Callable[[Span], types.Location | None]
) -> Iterable[types.DiagnosticRelatedInformation]:
    for span in diagnostic.spans:
        place = None if span.is_primary else location(span)
        if place and span.label:
            yield types.DiagnosticRelatedInformation(place, span.label)
    for note in diagnostic.notes:
        for span in note.spans:
            place = location(span)
            if place:
                yield types.DiagnosticRelatedInformation(place, f"{note.level}: {note.message}")
