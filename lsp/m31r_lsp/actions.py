"""Fixes as code actions: titles, tags, and their edits now or on resolve."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lsprotocol import types

from m31r_core.errors import M31RError
from m31r_lsp.offers import Offer

if TYPE_CHECKING:
    from m31r_core.repair.fixes import Fix
    from m31r_lsp.crates import Findings
    from m31r_lsp.searching import Found
    from m31r_lsp.server import M31RServer
    from m31r_lsp.workspace_edit import FileText

logger = logging.getLogger(__name__)


def announce(
    server: M31RServer, findings: Findings, found: Sequence[Found]
) -> list[types.CodeAction]:
    """Return the actions for what was found, those on files that have changed left out."""
    actions = []
    for each in found:
        files = files_of(server, findings, each.fix)
        if files is None:
            logger.debug("no action %r: a file changed meanwhile", each.fix.title)
            continue
        try:
            actions.append(_action(server, each, Offer(findings, each.fix, files)))
        except ValueError as error:
            logger.warning("no action %r: %s", each.fix.title, error)
    return actions


def files_of(server: M31RServer, findings: Findings, fix: Fix) -> dict[str, FileText] | None:
    """Return the files that `fix` changes, None when one is not what it was checked on."""
    from m31r_lsp.workspace_edit import current_text

    snapshot = findings.snapshot
    try:
        files = {
            path: current_text(server.documents, snapshot.file_of(path))
            for path in {edit.path for edit in fix.edits}
        }
        same = all(file.text == snapshot.text(path) for path, file in files.items())
    except (OSError, M31RError) as error:
        logger.warning("no action %r: %s", fix.title, error)
        return None
    return files if same else None


def _action(server: M31RServer, found: Found, offer: Offer) -> types.CodeAction:
    client, fix = server.client, found.fix
    edit = edit_of(server, offer)
    tagged = client.llm_tag and any(step.source == "model" for step in fix.steps)
    lazy = client.lazy_edits
    return types.CodeAction(
        title=f"M31R: {', '.join((fix.title, 'checked', *sorted(fix.cautions)))}",
        kind=found.kind,
        diagnostics=found.diagnostics or None,
        is_preferred=True if found.preferred and client.preferred else None,
        edit=None if lazy else edit,
        data={"m31r": server.offers.add(offer)} if lazy else None,
        tags=[types.CodeActionTag.LlmGenerated] if tagged else None,
    )


def edit_of(server: M31RServer, offer: Offer) -> types.WorkspaceEdit:
    """Return the edit of an offer for this client. Raises ValueError where it does not fit."""
    from m31r_lsp.workspace_edit import workspace_edit

    return workspace_edit(offer.fix, offer.files, server.documents.encoding, server.client)
