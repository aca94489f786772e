"""textDocument/inlineCompletion: ghost text."""

from __future__ import annotations

import logging

from lsprotocol import types

from m31r_lsp import silence
from m31r_lsp.documents import Document, short_path
from m31r_lsp.filters import apply_filters
from m31r_lsp.filters.cursor import Cursor
from m31r_lsp.server import M31RServer
from m31r_lsp.suggest import Query, Suggestion, suggest, with_newlines
from m31r_lsp.worker import Cancelled

logger = logging.getLogger(__name__)


def register(server: M31RServer) -> None:
    """Register the request. pygls announces it only when it comes with options."""
    options = types.InlineCompletionOptions()
    server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, options)(inline_completion)


async def inline_completion(
    server: M31RServer, params: types.InlineCompletionParams
) -> types.InlineCompletionList:
    """Return one item, or none where the model has nothing to say.

    With an item selected in the completion menu, the answer is that item and what follows it.
    """
    document = server.documents.get(params.text_document.uri)
    if document is None:
        logger.debug("silent: %s is not open", params.text_document.uri)
        return types.InlineCompletionList(items=[])
    position = document.clamp(params.position)
    where, selected = types.Range(position, position), ""
    if info := params.context.selected_completion_info:
        where, selected = info.range, info.text
    by_hand = params.context.trigger_kind == types.InlineCompletionTriggerKind.Invoked
    text = await ghost_text(server, document, where, selected, by_hand=by_hand)
    if not text:
        return types.InlineCompletionList(items=[])
    item = types.InlineCompletionItem(
        insert_text=selected + text, filter_text=selected + text, range=where
    )
    return types.InlineCompletionList(items=[item])


async def ghost_text(
    server: M31RServer, document: Document, where: types.Range, by: str, *, by_hand: bool
) -> str:
    """Return the text to show once `where` has become `by`, from the cache or from the model.

    Empty for silence, whose reason is logged. `by_hand` says that the user asked with a key.
    """
    settings = server.settings
    deleted = document.deleted and not by_hand
    reason = silence.before_asking(settings, size=document.size, deleted=deleted)
    if reason is not None:
        logger.debug("silent: %s", reason)
        return ""
    cursor = Cursor(
        with_newlines(document.around(where.start)[0]) + by,
        with_newlines(document.around(where.end)[1]),
    )
    remembered = server.shown.lookup(document.uri, cursor)
    if remembered is not None:
        logger.debug("from what was shown: %r", remembered)
        return apply_filters(remembered, cursor)[0]
    root = None if server.root is None else server.root.as_posix()
    query = Query(short_path(document.path, root), cursor, settings.completion)

    def job(cancelled: Cancelled) -> Suggestion:
        if server.completer is None:
            return Suggestion("", "no model is loaded")
        return suggest(server.completer, query, cancelled)

    try:
        found = await server.worker.submit((document.uri, cursor), job)
    except Exception:
        logger.exception("silent: the model failed")
        return ""
    if found is None:
        logger.debug("silent: a newer request came")
        return ""
    if found.silence is not None:
        logger.debug("silent: %s", found.silence)
    else:
        logger.debug("%.1f ms, confidence %.2f: %r", found.took_ms, found.confidence, found.text)
    if server.completer is not None:
        server.shown.remember(document.uri, cursor, found.text)
    return found.text
