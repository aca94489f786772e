"""workspace/executeCommand: what a user can ask of the server by name (docs/protocol.md)."""

from __future__ import annotations

import logging
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from lsprotocol import types

from m31r_lsp.requests import configuration
from m31r_lsp.server import ACCEPTED, M31RServer

logger = logging.getLogger(__name__)


def register(server: M31RServer) -> None:
    """Register the commands."""
    for name, command in (
        ("m31r.toggle", toggle),
        ("m31r.status", status),
        ("m31r.clearCache", clear_cache),
        (ACCEPTED, accepted),
    ):
        server.command(name)(command)


def toggle(server: M31RServer, *arguments: Any) -> dict[str, bool]:
    """Switch ghost text on or off, or as the argument says, until the setting changes."""
    wanted = arguments[0] if arguments else None
    if not isinstance(wanted, bool):
        wanted = not server.settings.completion.enabled
    server.toggled = wanted
    configuration.apply(server)
    if not server.client.status:
        says = "on" if server.settings.completion.enabled else "off"
        server.tell(f"M31R: ghost text is {says}", types.MessageType.Info)
    return {"enabled": server.settings.completion.enabled}


def status(server: M31RServer, *arguments: Any) -> dict[str, Any]:
    """Return what is known of the session."""
    return {
        **server.status.current().as_json(),
        "version": version("m31r"),
        "workspace": [str(root) for root in server.roots],
        "index": asdict(server.surroundings.size()),
        "statistics": asdict(server.acceptance.counts),
    }


def clear_cache(server: M31RServer, *arguments: Any) -> None:
    """Forget suggestions, refusals and prompts."""
    server.shown.clear()
    server.verifier.refused.clear()
    server.acceptance.clear()
    server.forget_prompts()


def accepted(server: M31RServer, *arguments: Any) -> None:
    """Count a suggestion that was taken, or a part of it."""
    key = arguments[0] if arguments else None
    part = arguments[1] if len(arguments) > 1 else None
    characters = part.get("characters") if isinstance(part, dict) else None
    if isinstance(key, int) and (characters is None or isinstance(characters, int)):
        server.acceptance.accept(key, characters)
    else:
        logger.warning("%s needs the id of an item, not %r", ACCEPTED, arguments)
