"""From text around a cursor to ghost text: the one path of the server and the commands."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from m31r_core.engine import Completer, Completion, CompletionRequest
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
    reason = silence.at_cursor(query.settings, query.cursor)
    if reason is not None:
        return Suggestion("", reason, took_ms=_since(start))
    return _judged(completer.complete(_request(query), cancelled=cancelled), query, start)


def suggest_several(
    completer: Completer, query: Query, n: int, cancelled: Callable[[], bool] | None = None
) -> list[Suggestion]:
    """Return up to `n` suggestions of different text, the most confident first.

    Those with a reason for silence are left out; when all have one, the first of them is returned.
    """
    start = time.perf_counter()
    reason = silence.at_cursor(query.settings, query.cursor)
    if reason is not None:
        return [Suggestion("", reason, took_ms=_since(start))]
    completions = completer.candidates(_request(query), n, cancelled=cancelled)
    found = [_judged(each, query, start) for each in completions]
    if cancelled is not None and cancelled():
        return [Suggestion("", "a newer request came", took_ms=_since(start))]
    different = {each.text: each for each in reversed(found) if each.silence is None}
    return list(reversed(different.values())) or found[:1]


def warm(completer: Completer, query: Query, cancelled: Callable[[], bool] | None = None) -> None:
    """Compute what a suggestion would begin with, where there is no reason for silence."""
    if silence.at_cursor(query.settings, query.cursor) is None:
        completer.warm(_request(query), cancelled=cancelled)


def _request(query: Query) -> CompletionRequest:
    return CompletionRequest(
        path=query.path,
        prefix=query.cursor.prefix,
        suffix=query.cursor.suffix,
        max_new_tokens=query.settings.max_new_tokens,
    )


def _judged(completion: Completion, query: Query, start: float) -> Suggestion:
    """Filter a completion; one that is not to be shown gets its reason."""

    def done(text: str, reason: str | None) -> Suggestion:
        return Suggestion(text, reason, raw, confidence, _since(start))

    raw, confidence = completion.text, completion.confidence
    if completion.generation.finish == "cancelled":
        return done("", "a newer request came")
    if confidence < query.settings.min_confidence:
        threshold = query.settings.min_confidence
        return done("", f"confidence {confidence:.2f} is under {threshold:.2f}")
    text, emptied_by = apply_filters(raw, query.cursor)
    return done(text, None if emptied_by is None else f"{emptied_by} left nothing of {raw!r}")


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3


def with_newlines(text: str) -> str:
    """Return `text` with \\n for every line end, as the model was trained."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
