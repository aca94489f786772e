"""codeAction/resolve: the edit of an action, if what it was checked on is still there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcContentModified

from m31r_lsp.actions import edit_of, files_of
from m31r_lsp.checking import buffers_around
from m31r_lsp.offers import Offer
from m31r_lsp.server import M31RServer


def register(server: M31RServer) -> None:
    """Register the request."""
    server.feature(types.CODE_ACTION_RESOLVE)(resolve)


async def resolve(server: M31RServer, action: types.CodeAction) -> types.CodeAction:
    """Add the edit. Raises JsonRpcContentModified when what it was checked on has changed."""
    data: Any = action.data
    number = data.get("m31r") if isinstance(data, dict) else getattr(data, "m31r", None)
    offer = server.offers.get(number) if server.settings.trusted else None
    if offer is None:
        raise JsonRpcContentModified("M31R: the action is too old; ask for the actions again")
    from m31r_core.cargo import CargoError

    job = partial(_still_good, server, offer, buffers_around(server, offer.findings.folder))
    try:
        reason = await asyncio.to_thread(job)
    except (CargoError, OSError) as error:
        reason = str(error)
    files = None if reason else files_of(server, offer.findings, offer.fix)
    if files is None:
        reason = reason or "a file has changed since the action was checked"
        raise JsonRpcContentModified(f"M31R: {reason}; ask for the actions again")
    action.edit = edit_of(server, replace(offer, files=files))
    return action


def _still_good(server: M31RServer, offer: Offer, buffers: Mapping[Path, str]) -> str | None:
    """Return why the offer's edits may not be applied any more, None when they may.

    Where only other files have changed the compiler is asked again.
    """
    from m31r_core.cargo import Deadline
    from m31r_core.repair import lay

    settings = server.settings.check
    findings = server.crates.look(offer.findings.folder, buffers, Deadline(settings.start_s))
    snapshot = findings.snapshot
    if snapshot.state == offer.findings.snapshot.state:
        return None
    for path, file in offer.files.items():
        if snapshot.text(path) != file.text:
            return f"{path} has changed since the action was checked"
    changed = lay(offer.fix.edits, snapshot.text)
    verdict = snapshot.check(changed, Deadline(settings.deadline_s))
    fixed = {gone.identity for gone in offer.fix.verdict.gone}
    if not verdict.passed or fixed - {gone.identity for gone in verdict.gone}:
        return "after a change in another file it no longer compiles"
    return None
