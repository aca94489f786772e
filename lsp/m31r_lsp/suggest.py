"""From text around a cursor to ghost text: the one path of the server and the commands."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from m31r_core.engine import Completer, CompletionRequest
from m31r_lsp import silence
from m31r_lsp.filters import apply_filters
from m31r_lsp.filters.cursor import Cursor
from m31r_lsp.settings import CompletionSettings


@dataclass(frozen=True)
class Query:
    """Where text is wanted. `path` is relative to the workspace; texts have \\n line ends."""

    path: str
    cursor: Cursor
    settings: CompletionSettings


@dataclass(frozen=True)
class Suggestion:
    """What to show; `text` is empty where `silence` says why.

    `raw` is the model's text before the filters, `confidence` the geometric mean of its tokens'
    probabilities, `took_ms` the time from question to answer.
    """

    text: str
    silence: str | None = None
    raw: str = ""
    confidence: float = 0.0
    took_ms: float = 0.0


def suggest(
    completer: Completer, query: Query, cancelled: Callable[[], bool] | None = None
) -> Suggestion:
    """Ask the model unless there is a reason for silence, filter its text and judge it."""
    start = time.perf_counter()

    def done(text: str, reason: str | None, raw: str = "", confidence: float = 0.0) -> Suggestion:
        return Suggestion(text, reason, raw, confidence, (time.perf_counter() - start) * 1e3)

    reason = silence.at_cursor(query.settings, query.cursor)
    if reason is not None:
        return done("", reason)
    completion = completer.complete(
        CompletionRequest(
            path=query.path,
            prefix=query.cursor.prefix,
            suffix=query.cursor.suffix,
            max_new_tokens=query.settings.max_new_tokens,
        ),
        cancelled=cancelled,
    )
    raw, confidence = completion.text, completion.confidence
    if completion.generation.finish == "cancelled":
        return done("", "a newer request came", raw, confidence)
    if confidence < query.settings.min_confidence:
        threshold = query.settings.min_confidence
        return done("", f"confidence {confidence:.2f} is under {threshold:.2f}", raw, confidence)
    text, emptied_by = apply_filters(raw, query.cursor)
    reason = None if emptied_by is None else f"{emptied_by} left nothing of {raw!r}"
    return done(text, reason, raw, confidence)


def with_newlines(text: str) -> str:
    """Return `text` with \\n for every line end, as the model was trained."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
