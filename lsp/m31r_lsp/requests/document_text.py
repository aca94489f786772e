"""m31r/documentText: the server's copy of a document, for tests. Off by default."""

from __future__ import annotations

from typing import Any

from m31r_lsp.server import M31RServer


def register(server: M31RServer) -> None:
    """Register the request."""
    server.feature("m31r/documentText")(document_text)


def document_text(server: M31RServer, params: Any) -> dict[str, Any] | None:
    """Return the text and version of the document `params.uri`, null when it is not open."""
    document = server.documents.get(params.uri)
    if document is None:
        return None
    return {"text": document.text, "version": document.version}
