"""textDocument/inlineCompletion: ghost text."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable

from lsprotocol import types

from m31r_lsp import silence
from m31r_lsp.documents import Document
from m31r_lsp.filters import apply_filters
from m31r_lsp.ghost import Ghost
from m31r_lsp.server import ACCEPTED, M31RServer
from m31r_lsp.suggest import NOTHING, Query, Suggestion, suggest, suggest_several
from m31r_lsp.worker import Cancelled

logger = logging.getLogger(__name__)

# How many texts are offered by hand, and looked at when the first one was refused.
_SEVERAL = 4
_SECOND_BEST = 3


def register(server: M31RServer) -> None:
    """Register the request. pygls announces it only when it comes with options."""
    options = types.InlineCompletionOptions()
    server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, options)(inline_completion)


async def inline_completion(
    server: M31RServer, params: types.InlineCompletionParams
) -> types.InlineCompletionList:
    """Return one item, several when asked by hand, none where the model has nothing to say.

    With an item selected in the completion menu, the answer is that item and what follows it. A
    request that a newer one overtakes is answered as cancelled.
    """
    document = server.documents.get(params.text_document.uri)
    if document is None:
        logger.debug("silent: %s is not open", params.text_document.uri)
        return types.InlineCompletionList(items=[])
    position = document.clamp(params.position)
    where, selected = types.Range(position, position), ""
    if info := params.context.selected_completion_info:
        where, selected = info.range, info.text
    if params.context.trigger_kind == types.InlineCompletionTriggerKind.Invoked:
        ghosts = await several_ghosts(server, document, where, selected)
    else:
        ghost = await one_ghost(server, document, where, selected)
        ghosts = [ghost] if ghost else []
    return types.InlineCompletionList(
        items=[_item(server, document, where, selected, ghost) for ghost in ghosts]
    )


def reach(where: types.Range, ghost: Ghost) -> types.Range:
    """Return the range that a ghost takes the place of: `where`, and brackets behind it."""
    end = types.Position(where.end.line, where.end.character + ghost.swallows)
    return types.Range(where.start, end)


def _item(
    server: M31RServer, document: Document, where: types.Range, selected: str, ghost: Ghost
) -> types.InlineCompletionItem:
    before = document.line_before(where.start) + selected
    key = server.acceptance.show(document.uri, where.start.line, before, ghost.text)
    text = selected + ghost.text.replace("\n", document.line_end)
    return types.InlineCompletionItem(
        insert_text=text,
        filter_text=text,
        range=reach(where, ghost),
        command=types.Command("M31R: accepted", ACCEPTED, arguments=[key]),
    )


async def one_ghost(server: M31RServer, document: Document, where: types.Range, by: str) -> Ghost:
    """Return what to show once `where` has become `by`, from the cache or from the model.

    Nothing for silence, whose reason is logged.
    """
    query = _query(server, document, where, by)
    if query is None:
        server.verifier.stop()
        return NOTHING
    cursor, uri = query.cursor, document.uri
    server.foresight.asked(document, where.end)
    remembered = server.shown.lookup(uri, cursor)
    if remembered is not None:
        logger.debug("from what was shown: %r", remembered)
        server.status.answered(uri, None)
        return apply_filters(remembered, cursor).ghost
    refused = server.verifier.refused
    server.pace.asked(asyncio.get_running_loop().time())

    def job(cancelled: Cancelled) -> list[Suggestion]:
        if server.completer is None:
            return [Suggestion(NOTHING, "no model is loaded")]
        found = suggest(server.completer, query, cancelled)
        if found.text and (uri, cursor, found.text) in refused:
            others = suggest_several(server.completer, query, _SECOND_BEST, cancelled)
            left = [each for each in others if (uri, cursor, each.text) not in refused]
            found = left[0] if left else Suggestion(NOTHING, f"rustc refused {found.text!r} here")
        return [found]

    most_s = query.settings.max_debounce_ms / 1e3
    found = await _ask(server, document, cursor, job, delay_s=server.pace.wait_s(most_s))
    if not found:
        return NOTHING
    ghost = found[0].ghost
    if server.completer is not None:
        server.shown.remember(uri, cursor, ghost.text)
    if ghost:
        server.verifier.check_later(document, where, by, cursor, ghost)
    return ghost


async def several_ghosts(
    server: M31RServer, document: Document, where: types.Range, by: str
) -> list[Ghost]:
    """Return what may follow, what compiles first."""
    server.verifier.stop()
    query = _query(server, document, where, by, by_hand=True)
    if query is None:
        return []

    def job(cancelled: Cancelled) -> list[Suggestion]:
        if server.completer is None:
            return [Suggestion(NOTHING, "no model is loaded")]
        return suggest_several(server.completer, query, _SEVERAL, cancelled)

    found = await _ask(server, document, (query.cursor, "several"), job)
    ghosts = [each.ghost for each in found or () if each.text]
    if not ghosts:
        return []
    ghosts = await server.verifier.best_first(document, where, by, query.cursor, ghosts)
    server.shown.remember(document.uri, query.cursor, ghosts[0].text)
    return ghosts


def _query(
    server: M31RServer, document: Document, where: types.Range, by: str, *, by_hand: bool = False
) -> Query | None:
    reason = silence.before_asking(
        server.settings_of(document), size=document.size, deleted=document.deleted, by_hand=by_hand
    )
    if reason is not None:
        logger.debug("silent: %s", reason)
        server.status.answered(document.uri, reason)
        return None
    return server.query_at(document, where, by, by_hand=by_hand)


async def _ask(
    server: M31RServer,
    document: Document,
    key: Hashable,
    job: Callable[[Cancelled], list[Suggestion]],
    delay_s: float = 0.0,
) -> list[Suggestion] | None:
    """Have the model's thread do `job` after a while; None where it fails. What it says is logged.

    Raises CancelledError, which the client is told, when a newer request overtakes it.
    """
    server.status.thinking(document.uri)
    try:
        found = await server.worker.submit((document.uri, key), job, delay_s=delay_s)
    except Exception:
        logger.exception("silent: the model failed")
        server.status.answered(document.uri, "the model failed (see the log)")
        return None
    server.pace.answered(in_time=found is not None)
    if found is None:
        logger.debug("silent: a newer request came")
        raise asyncio.CancelledError
    server.status.answered(document.uri, found[0].silence if found else None)
    for each in found:
        if each.silence is not None:
            logger.debug("silent: %s", each.silence)
        else:
            logger.debug("%.1f ms, confidence %.2f: %r", each.took_ms, each.confidence, each.text)
    return found
