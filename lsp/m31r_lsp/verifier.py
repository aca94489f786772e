"""Ghost text and rustc: several texts put in order, one checked after it was shown."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from lsprotocol import types

from m31r_core.errors import M31RError
from m31r_lsp.checking import buffers_around, crate_folder, why_not
from m31r_lsp.documents import Document
from m31r_lsp.filters.cursor import Cursor
from m31r_lsp.ghost import Ghost
from m31r_lsp.refused import Refused
from m31r_lsp.verifying import Spot, Word, judge_all
from m31r_lsp.worker import Cancelled

if TYPE_CHECKING:
    from m31r_lsp.server import M31RServer

logger = logging.getLogger(__name__)

_ORDER: dict[Word, int] = {"passed": 0, "unknown": 1, "failed": 2}
_THREAD = "completions"


class Verifier:
    """What rustc says about the ghost text of one session. For the loop's thread."""

    def __init__(self, server: M31RServer) -> None:
        self.refused = Refused()
        self._server = server
        self._task: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Drop the check that waits or runs: what it is about is no longer shown."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def check_later(
        self, document: Document, where: types.Range, by: str, cursor: Cursor, ghost: Ghost
    ) -> None:
        """Have `ghost`, which was shown at `where` once it had become `by`, checked in a while.

        What is under way for the same text is left to go on: editors ask twice for each key.
        """
        name = f"{hash((document.uri, cursor, ghost))}"
        if self._task is not None and not self._task.done() and self._task.get_name() == name:
            return
        self.stop()
        spot = self._spot(document, where, by)
        if spot is not None:
            work = self._later(document, spot, cursor, ghost)
            self._task = asyncio.create_task(work, name=name)

    async def best_first(
        self, document: Document, where: types.Range, by: str, cursor: Cursor, ghosts: list[Ghost]
    ) -> list[Ghost]:
        """Return `ghosts`, those that compile first and those that do not last.

        In a crate that was never looked at they are returned as they are, and the look begins.
        """
        spot = self._spot(document, where, by)
        if spot is None:
            return ghosts
        if self._server.crates.latest(spot.folder) is None:
            seconds = self._server.settings.check.start_s
            self._task = asyncio.create_task(self._warm(spot, seconds))
            return ghosts
        self._server.status.checking(document.uri)
        seconds = self._server.settings.check.completion_deadline_s
        words = await self._judge(spot, ghosts, seconds)
        if words is None:
            self._server.status.judged(document.uri, None)
            return ghosts
        for ghost, word in zip(ghosts, words, strict=True):
            logger.debug("rustc: %s: %r", word, ghost.text)
            if word == "failed":
                self.refused.add(document.uri, cursor, ghost.text)
        order = sorted(range(len(ghosts)), key=lambda i: (_ORDER[words[i]], i))
        self._server.status.judged(document.uri, words[order[0]])
        return [ghosts[i] for i in order]

    def _spot(self, document: Document, where: types.Range, by: str) -> Spot | None:
        settings = self._server.settings_of(document)
        folder = crate_folder(document)
        if not settings.check.completions or why_not(settings, document) or folder is None:
            return None
        assert document.file is not None
        return Spot(
            folder,
            document.file,
            document.around(where.start)[0] + by,
            document.around(where.end)[1],
            tuple(buffers_around(self._server, folder).items()),
        )

    async def _later(self, document: Document, spot: Spot, cursor: Cursor, ghost: Ghost) -> None:
        server = self._server
        await asyncio.sleep(server.settings.check.rest_s)
        self._server.status.checking(document.uri)
        words = await self._judge(spot, [ghost], server.settings.check.start_s)
        word = words[0] if words else None
        logger.debug("rustc: %s: %r", word, ghost.text)
        if word == "failed":
            self.refused.add(document.uri, cursor, ghost.text)
            server.shown.forget(document.uri)
        self._server.status.judged(document.uri, word)

    async def _warm(self, spot: Spot, seconds: float) -> None:
        await self._judge(spot, [], seconds)

    async def _judge(self, spot: Spot, ghosts: list[Ghost], seconds: float) -> list[Word] | None:
        job = partial(_job, self._server, spot, ghosts, seconds)
        try:
            words: list[Word] | None = await self._server.worker_for(_THREAD).submit(
                (spot, *ghosts), job
            )
        except M31RError as error:
            logger.debug("rustc says nothing about the completion: %s", error)
            return None
        except Exception:
            logger.exception("the completion could not be checked")
            return None
        return words


def _job(
    server: M31RServer, spot: Spot, ghosts: list[Ghost], seconds: float, cancelled: Cancelled
) -> list[Word]:
    from m31r_core.cargo.process import Deadline

    return judge_all(server.crates, spot, ghosts, Deadline(seconds), cancelled)
