"""Which of rustc's errors a client means, by place and code: other servers name them otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lsprotocol import types

from m31r_core.cargo.diagnostics import Diagnostic
from m31r_lsp.positions import ByteLines

_RUSTC_CODE = re.compile(r"E\d{4}\Z")


@dataclass(frozen=True)
class Located:
    """An error with the ranges of its spans in one file; `primary` is the one it is about."""

    error: Diagnostic
    primary: types.Range
    others: tuple[types.Range, ...]


@dataclass(frozen=True)
class Match:
    """An error that the client means, and the client's own diagnostics of it."""

    error: Diagnostic
    diagnostics: tuple[types.Diagnostic, ...]


def locate(errors: Iterable[Diagnostic], path: str, lines: ByteLines) -> list[Located]:
    """Return the errors about the file `path`, in the order given."""
    located = []
    for error in errors:
        ranges = [
            (span.is_primary, lines.range(span.byte_start, span.byte_end))
            for span in error.spans
            if span.path == path
        ]
        primary = next((where for is_primary, where in ranges if is_primary), None)
        if primary is not None:
            others = tuple(where for _, where in ranges if where is not primary)
            located.append(Located(error, primary, others))
    return located


def match(
    located: Sequence[Located], diagnostics: Sequence[types.Diagnostic], where: types.Range
) -> list[Match]:
    """Return the errors that `diagnostics` speak of; without any, those at `where`.

    Those whose range touches `where` come first, then those on its lines.
    """
    spoken = [each for each in diagnostics if _may_be_error(each)]
    found: dict[int, list[types.Diagnostic]] = {}
    for diagnostic in spoken:
        for i in _meant(located, diagnostic):
            found.setdefault(i, []).append(diagnostic)
    if not found:
        found = {i: [] for i, each in enumerate(located) if _at(each, where)}
    order = sorted(found, key=lambda i: (_distance(located[i], where), i))
    return [Match(located[i].error, tuple(found[i])) for i in order]


def _meant(located: Sequence[Located], diagnostic: types.Diagnostic) -> list[int]:
    """Indices of the errors that one diagnostic can be about: by code, else by place alone."""
    code = str(diagnostic.code or "")
    near = [i for i, each in enumerate(located) if _same_lines(each.primary, diagnostic.range)]
    if _RUSTC_CODE.match(code) and (same := [i for i in near if located[i].error.code == code]):
        return same
    close = [i for i in near if _touch(located[i].primary, diagnostic.range)]
    return close or near


def _may_be_error(diagnostic: types.Diagnostic) -> bool:
    return diagnostic.severity in (None, types.DiagnosticSeverity.Error)


def _at(each: Located, where: types.Range) -> bool:
    return any(_same_lines(one, where) for one in (each.primary, *each.others))


def _distance(each: Located, where: types.Range) -> int:
    if _touch(each.primary, where):
        return 0
    return 1 if _same_lines(each.primary, where) else 2


def _same_lines(a: types.Range, b: types.Range) -> bool:
    return a.start.line <= b.end.line and b.start.line <= a.end.line


def _touch(a: types.Range, b: types.Range) -> bool:
    return a.start <= b.end and b.start <= a.end
