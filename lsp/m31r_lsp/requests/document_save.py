"""didSave: rustc's errors in the editor, where nobody else shows them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from lsprotocol import types

from m31r_core.errors import M31RError
from m31r_lsp.checking import buffers_around, crate_folder, why_not
from m31r_lsp.neighbours import rust_analyzer_runs
from m31r_lsp.server import M31RServer
from m31r_lsp.suggest import with_newlines
from m31r_lsp.worker import Cancelled

logger = logging.getLogger(__name__)

Published = Mapping[Path, list[types.Diagnostic]]


def register(server: M31RServer) -> None:
    """Register the notification; the text is known without it."""
    options = types.SaveOptions(include_text=False)
    server.feature(types.TEXT_DOCUMENT_DID_SAVE, options)(did_save)


async def did_save(server: M31RServer, params: types.DidSaveTextDocumentParams) -> None:
    """Check the crate and publish what rustc says, unless the settings leave that to others."""
    server.generation += 1
    document = server.documents.get(params.text_document.uri)
    if document is not None:
        server.acceptance.saved(document.uri, with_newlines(document.text))
    if document is None or server.settings_of(document).check.on_save == "off":
        return
    reason = why_not(server.settings_of(document), document)
    folder = crate_folder(document)
    if reason is not None or folder is None:
        logger.debug("no check on save: %s", reason)
        return
    job = partial(_check, server, folder, buffers_around(server, folder), server.editor)
    try:
        found = await server.worker_for("save").submit((server.state(), folder), job)
    except M31RError as error:
        logger.warning("no check on save: %s", error)
        return
    if found is not None and server.settings.trusted:
        publish(server, folder, found)


def publish(server: M31RServer, folder: Path, found: Published) -> None:
    """Tell the client the diagnostics of a crate, and which files have none any more."""
    before = server.published.get(folder, frozenset())
    for file in sorted(before | found.keys()):
        _send(server, file, found.get(file, []))
    server.published[folder] = frozenset(found)


def clear(server: M31RServer, file: Path | None = None) -> None:
    """Take back what was published about `file`, or about all files."""
    for folder, files in server.published.items():
        gone = files if file is None else files & {file}
        for each in sorted(gone):
            _send(server, each, [])
        server.published[folder] = files - gone


def _send(server: M31RServer, file: Path, diagnostics: list[types.Diagnostic]) -> None:
    document = server.documents.of_file(file)
    server.text_document_publish_diagnostics(
        types.PublishDiagnosticsParams(
            uri=document.uri if document else file.as_uri(),
            diagnostics=diagnostics,
            version=document.version if document else None,
        )
    )


def _check(
    server: M31RServer,
    folder: Path,
    buffers: Mapping[Path, str],
    editor: int | None,
    cancelled: Cancelled,
) -> Published:
    settings = server.settings.check
    if settings.on_save == "auto" and rust_analyzer_runs(editor) is not False:
        logger.debug("no check on save: rust-analyzer does that, or may")
        return {}
    from m31r_core.cargo.process import Deadline
    from m31r_lsp.publishing import diagnostics_of

    findings = server.crates.look(folder, buffers, Deadline(settings.start_s))
    return diagnostics_of(
        findings.snapshot, server.documents.encoding, related=server.client.related_information
    )
