"""didOpen, didChange, didClose: the server's copy of the editor's text."""

from __future__ import annotations

import logging
from pathlib import Path

from lsprotocol import types

from m31r_lsp.requests import document_save
from m31r_lsp.server import M31RServer

logger = logging.getLogger(__name__)


def register(server: M31RServer) -> None:
    """Register the three notifications."""
    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(did_open)
    server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(did_change)
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(did_close)


def did_open(server: M31RServer, params: types.DidOpenTextDocumentParams) -> None:
    """Start to follow a document."""
    server.documents.open(params.text_document)
    document = server.documents.get(params.text_document.uri)
    if document is not None:
        server.foresight.opened(document)


def did_change(server: M31RServer, params: types.DidChangeTextDocumentParams) -> None:
    """Apply an edit."""
    document = server.documents.get(params.text_document.uri)
    if document is None:
        logger.warning("a change to %s, which is not open", params.text_document.uri)
        return
    document.apply(params.content_changes, params.text_document.version)
    server.foresight.changed(document, params.content_changes)


def did_close(server: M31RServer, params: types.DidCloseTextDocumentParams) -> None:
    """Forget a document."""
    document = server.documents.get(params.text_document.uri)
    if document is not None and document.file is not None:
        document_save.clear(server, document.file)
    server.documents.close(params.text_document.uri)
    if document is not None:
        server.indexing.changed(Path(document.path))
    server.shown.forget(params.text_document.uri)
    server.end_worker(params.text_document.uri)
