"""$/progress around work that the user waits for, and the user's way to stop it."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from lsprotocol import types

if TYPE_CHECKING:
    from m31r_lsp.server import M31RServer

logger = logging.getLogger(__name__)

_SHOW_AFTER_S = 0.5
_AT_MOST_EVERY_S = 0.1


class Progress:
    """What is told to the client. `report` may be called from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tell: Callable[[str], None] | None = None
        self._message = ""
        self._waiting = False

    def report(self, message: str) -> None:
        """Say what is going on; of many messages a second only some are sent."""
        self._message = message
        if not self._waiting:
            self._waiting = True
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._loop.call_later, _AT_MOST_EVERY_S, self._send)

    def _send(self) -> None:
        self._waiting = False
        if self._tell is not None:
            self._tell(self._message)


@asynccontextmanager
async def progress(
    server: M31RServer, title: str, token: str | int | None, stop: Callable[[], object]
) -> AsyncIterator[Progress]:
    """Show progress under the request's `token`, or under one of our own when it takes long.

    `stop` is called when the user cancels it.
    """
    made = Progress(asyncio.get_running_loop())
    if token is None and not server.client.progress:
        yield made
        return
    shown = asyncio.create_task(_show(server, made, title, token, stop))
    try:
        yield made
    finally:
        made._tell = None
        if not shown.done():
            shown.cancel()
        with suppress(asyncio.CancelledError):
            used = await shown
            if used is not None:
                server.work_done_progress.end(used, types.WorkDoneProgressEnd())
                server.work_done_progress.tokens.pop(used, None)


async def _show(
    server: M31RServer,
    made: Progress,
    title: str,
    token: str | int | None,
    stop: Callable[[], object],
) -> str | int | None:
    """Begin the progress and return its token, None when the client does not want it."""
    if token is None:
        await asyncio.sleep(_SHOW_AFTER_S)
        token = str(uuid.uuid4())
        try:
            await server.work_done_progress.create_async(token)
        except Exception:
            logger.debug("the client shows no progress", exc_info=True)
            return None
    begin = types.WorkDoneProgressBegin(title=title, cancellable=True)
    server.work_done_progress.begin(token, begin)
    cancelled = server.work_done_progress.tokens[token]
    cancelled.add_done_callback(lambda future: stop() if future.cancelled() else None)

    def tell(message: str) -> None:
        report = types.WorkDoneProgressReport(message=message, cancellable=True)
        server.work_done_progress.report(token, report)

    made._tell = tell
    return token
