"""m31r-lsp complete: ghost text for shells and scripts."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m31r_core.errors import ConfigError, M31RError
from m31r_lsp import silence
from m31r_lsp.context.surroundings import Surroundings
from m31r_lsp.documents import short_path
from m31r_lsp.filters.cursor import Cursor
from m31r_lsp.ghost import Ghost
from m31r_lsp.indexing import read_workspace
from m31r_lsp.local import Local, load_local, workspace_of
from m31r_lsp.suggest import NOTHING, Query, Suggestion, suggest, with_newlines

_VERIFY_S = 300.0


@dataclass(frozen=True)
class Place:
    """A place in a file: `line` and `column`, in characters, count from 1."""

    file: Path
    line: int
    column: int


def complete(where: str, model: Path | None, *, as_json: bool, verify: bool) -> int:
    """Print the ghost text at `where`; stderr says why there is none, and what cargo thinks.

    Raises ConfigError for a place that does not exist, M31RError for a file that is not UTF-8.
    """
    place = parse_place(where)
    text = _read(place.file)
    cursor = _cursor(place, text)
    workspace = workspace_of(place.file)
    start = time.perf_counter()
    local = load_local(model, workspace)
    load_ms = (time.perf_counter() - start) * 1e3
    found = _suggest(local, place, cursor, len(text.encode()))
    answer = _answer(found, local, load_ms)
    if verify and found.text:
        answer |= _verdict(place, cursor, found.ghost)
    if as_json:
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    if found.text:
        print(found.text)
    else:
        print(f"m31r-lsp: no completion: {found.silence}", file=sys.stderr)
    if "verified" in answer:
        errors = answer["new_errors"]
        says = f"new errors: {'; '.join(errors)}" if errors else "no new errors"
        print(f"m31r-lsp: cargo check finds {says}", file=sys.stderr)
    return 0


def parse_place(where: str) -> Place:
    """Read FILE:LINE:COL. Raises ConfigError."""
    file, line, column = ("::" + where).rsplit(":", 2)
    file = file.removeprefix("::")
    if not file or not line.isdecimal() or not column.isdecimal() or "0" in (line, column):
        raise ConfigError(f"{where}: write it as FILE:LINE:COL, line and column from 1")
    return Place(Path(file), int(line), int(column))


def _read(file: Path) -> str:
    try:
        return with_newlines(file.read_bytes().decode("utf-8"))
    except OSError as error:
        raise M31RError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise M31RError(f"{file}: not UTF-8 at byte {error.start}") from error


def _cursor(place: Place, text: str) -> Cursor:
    lines = text.split("\n")
    if place.line > len(lines):
        raise ConfigError(f"{place.file}: line {place.line} is past the end, line {len(lines)}")
    line = lines[place.line - 1]
    if place.column > len(line) + 1:
        raise ConfigError(
            f"{place.file}:{place.line}: column {place.column} is past the end, "
            f"column {len(line) + 1}"
        )
    offset = sum(len(each) + 1 for each in lines[: place.line - 1]) + place.column - 1
    return Cursor(text[:offset], text[offset:])


def _suggest(local: Local, place: Place, cursor: Cursor, size: int) -> Suggestion:
    reason = silence.before_asking(local.settings, size=size, by_hand=True)
    if reason is not None:
        return Suggestion(NOTHING, reason)
    roots = () if local.workspace is None else (local.workspace.absolute(),)
    path = short_path(place.file.absolute().as_posix(), roots)
    context, known = local.settings.context, None
    if context.workspace:
        known = Surroundings(context.max_index_mb * 10**6)
        deque(read_workspace(known, roots, dependencies=context.dependencies), maxlen=0)
    query = Query(path, cursor, local.settings.completion, known)
    return suggest(local.completer, query)


def _answer(found: Suggestion, local: Local, load_ms: float) -> dict[str, Any]:
    return {
        "text": found.text,
        "silence": found.silence,
        "confidence": round(found.confidence, 4),
        "model": local.bundle.manifest.model_id,
        "load_ms": round(load_ms, 1),
        "latency_ms": round(found.took_ms, 1),
    }


def _verdict(place: Place, cursor: Cursor, ghost: Ghost) -> dict[str, Any]:
    # Imported here: few calls need it.
    from m31r_core.cargo import Deadline, Workspace

    candidate = cursor.prefix + ghost.text + cursor.suffix[ghost.swallows :]
    file = place.file.resolve()
    deadline = Deadline(_VERIFY_S)
    snapshot = Workspace(file.parent).snapshot({}, deadline)
    verdict = snapshot.check({snapshot.path_of(file): candidate.encode()}, deadline)
    return {"verified": verdict.passed, "new_errors": [error.message for error in verdict.new]}
