"""From text around a cursor to ghost text: the one path of the server and the commands."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from m31r_core.blocks import opens_block
from m31r_core.engine import Completer, Completion, CompletionRequest
from m31r_core.engine.confidence import worth_showing
from m31r_lsp import silence
from m31r_lsp.context.surroundings import Surroundings
from m31r_lsp.filters import apply_filters
from m31r_lsp.filters.cursor import Cursor
from m31r_lsp.filters.end_of_block import end_of_block
from m31r_lsp.ghost import Ghost
from m31r_lsp.scope.unknown import unknown_names
from m31r_lsp.settings import CompletionSettings

# What confidence is multiplied by for names that exist nowhere: such a line was never right in
# 200 functions (docs/ghost-text.md), but the index may not know all names.
_UNKNOWN_NAME = 0.1


NOTHING = Ghost()


@dataclass(frozen=True)
class Query:
    """Where text is wanted. `path` is relative to the workspace; texts have \\n line ends.

    `by_hand`: the user waits for it, whatever it is worth.
    """

    path: str
    cursor: Cursor
    settings: CompletionSettings
    surroundings: Surroundings | None = None
    by_hand: bool = False

    @property
    def kind(self) -> Literal["line", "block"]:
        """Several lines are wanted where the cursor opens a block."""
        wanted = self.settings.blocks and opens_block(self.cursor.prefix, self.cursor.suffix)
        return "block" if wanted else "line"


@dataclass(frozen=True)
class Suggestion:
    """What to show: nothing where `silence` says why. `raw` is the model's text before the filters,
    `confidence` the chance that the text is right, `took_ms` the time from question to answer.
    """

    ghost: Ghost
    silence: str | None = None
    raw: str = ""
    confidence: float = 0.0
    took_ms: float = 0.0

    @property
    def text(self) -> str:
        """The text to show."""
        return self.ghost.text


def suggest(
    completer: Completer, query: Query, cancelled: Callable[[], bool] | None = None
) -> Suggestion:
    """Ask the model unless there is a reason for silence, filter its text and judge it."""
    start = time.perf_counter()
    reason = silence.at_cursor(query.settings, query.cursor, by_hand=query.by_hand)
    if reason is not None:
        return Suggestion(NOTHING, reason, took_ms=_since(start))
    completion = completer.complete(request_for(query, query.kind), cancelled=cancelled)
    return _judged(completer, completion, query, start)


def suggest_several(
    completer: Completer, query: Query, n: int, cancelled: Callable[[], bool] | None = None
) -> list[Suggestion]:
    """Return up to `n` suggestions of different text, the most confident first, a block before.

    Those with a reason for silence are left out; when all have one, the first of them is returned.
    """
    start = time.perf_counter()
    reason = silence.at_cursor(query.settings, query.cursor, by_hand=query.by_hand)
    if reason is not None:
        return [Suggestion(NOTHING, reason, took_ms=_since(start))]
    completions = completer.candidates(request_for(query, "line"), n, cancelled=cancelled)
    if query.kind == "block":
        completions.insert(0, completer.complete(request_for(query, "block"), cancelled=cancelled))
    found = [_judged(completer, each, query, start) for each in completions]
    if cancelled is not None and cancelled():
        return [Suggestion(NOTHING, "a newer request came", took_ms=_since(start))]
    different = {each.text: each for each in reversed(found) if each.silence is None}
    return list(reversed(different.values()))[:n] or found[:1]


def warm(completer: Completer, query: Query, cancelled: Callable[[], bool] | None = None) -> None:
    """Compute what a suggestion would begin with, where there is no reason for silence."""
    if silence.at_cursor(query.settings, query.cursor) is None:
        completer.warm(request_for(query, query.kind), cancelled=cancelled)


def request_for(query: Query, kind: Literal["line", "block"]) -> CompletionRequest:
    """Return what the model is asked."""
    settings, around = query.settings, query.surroundings
    chunks = around.around(query.path, query.cursor) if around is not None else ()
    return CompletionRequest(
        path=query.path,
        prefix=query.cursor.prefix,
        suffix=query.cursor.suffix,
        searched=tuple(chunk.text for chunk in chunks),
        kind=kind,
        max_new_tokens=(settings.max_new_tokens if kind == "line" else settings.max_block_tokens),
    )


def _judged(completer: Completer, completion: Completion, query: Query, start: float) -> Suggestion:
    """Filter a completion; one that is not to be shown gets its reason."""
    raw = completion.text
    if completion.generation.finish == "cancelled":
        return Suggestion(NOTHING, "a newer request came", raw, took_ms=_since(start))
    filtered = apply_filters(raw, query.cursor)
    if not filtered.ghost:
        reason = f"{filtered.emptied_by} left nothing of {raw!r}"
        return Suggestion(NOTHING, reason, raw, completion.confidence, _since(start))
    least = 0.0 if query.by_hand else query.settings.min_confidence
    text = filtered.ghost.text
    while True:
        # Of one line all that the model said counts, of several those that are left.
        said = len(text if "\n" in raw else raw)
        confidence = completer.confidence(completion, said) * _worth_of_names(text, query)
        if worth_showing(confidence, len(text.strip())) >= least:
            ghost = replace(filtered.ghost, text=text)
            return Suggestion(ghost, None, raw, confidence, _since(start))
        if "\n" not in text:
            break
        shorter = text.rpartition("\n")[0]
        text = end_of_block(shorter, query.cursor) or shorter.partition("\n")[0]
        if not text.strip():
            break
    reason = f"a chance of {confidence:.2f} to be right is too small for completion.min_confidence"
    return Suggestion(NOTHING, reason, raw, confidence, _since(start))


def _worth_of_names(text: str, query: Query) -> float:
    if query.surroundings is None or not query.settings.check_names:
        return 1.0
    cursor = query.cursor
    unknown = unknown_names(cursor.prefix, text, cursor.suffix, query.surroundings.exists)
    return _UNKNOWN_NAME if unknown else 1.0


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3


def with_newlines(text: str) -> str:
    """Return `text` with \\n for every line end, as the model was trained."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
