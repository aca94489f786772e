"""What a client can ask, one file per request."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from m31r_lsp.requests import (
    code_action,
    code_action_resolve,
    completion,
    configuration,
    document_save,
    document_sync,
    document_text,
    execute_command,
    inline_completion,
)

if TYPE_CHECKING:
    from m31r_lsp.server import M31RServer


def register_all(server: M31RServer) -> None:
    """Register every request and notification with `server`."""
    for module in (
        configuration,
        document_sync,
        document_save,
        inline_completion,
        completion,
        code_action,
        code_action_resolve,
        execute_command,
    ):
        module.register(server)
    if os.environ.get("M31R_DEBUG_REQUESTS"):
        document_text.register(server)
