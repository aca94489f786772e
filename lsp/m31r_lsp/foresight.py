"""What may be asked for next, computed while the model has nothing to do.

All of it runs on the model's thread between jobs, and any request ends it at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from lsprotocol import types

from m31r_lsp.documents import Change, Document, short_path
from m31r_lsp.indexing import pieces
from m31r_lsp.suggest import suggest, warm, with_newlines
from m31r_lsp.worker import Cancelled, call_on, logged

if TYPE_CHECKING:
    from m31r_lsp.server import M31RServer

logger = logging.getLogger(__name__)

_MOST_PLACES = 256
# Text that comes in one edit and is longer was not typed: an accepted text, an indented newline.
_TYPED = 1
_LONGEST_ACCEPTED = 2_000


class Foresight:
    """Idle work for one session. For the loop's thread."""

    def __init__(self, server: M31RServer) -> None:
        """Prepare for `server`, whose settings may be read later."""
        self._server = server
        # Where the user was last, by document.
        self._places: OrderedDict[str, types.Position] = OrderedDict()

    def begin_anew(self) -> None:
        """Learn everything once more, as for another model."""
        for document in self._server.documents:
            self.opened(document)

    def opened(self, document: Document) -> None:
        """Compute the prompt at the place where the user left the file, or at its beginning.

        Learn what it says, for drafts in the others.
        """
        if not self._may_help(document):
            return
        self.looked_at(document, self._places.get(document.uri, types.Position(0, 0)))
        self._when_idle(("learn", document.uri), self._learner(pieces(document.text)))

    def looked_at(self, document: Document, position: types.Position) -> None:
        """Compute the prompt at a place where the cursor rests."""
        if not self._may_help(document):
            return
        self._remember(document, position)
        query = self._server.query_at(document, types.Range(position, position))

        def task(cancelled: Cancelled) -> bool:
            if self._server.completer is not None:
                warm(self._server.completer, query, cancelled)
                if not cancelled():
                    logger.debug("the prompt at the cursor is computed")
            return True

        self._when_idle("prompt", task)

    def asked(self, document: Document, position: types.Position) -> None:
        """Take note that a completion is asked for there: no other prompt need be computed."""
        self._server.worker.no_longer("prompt")
        self._remember(document, position)

    def _remember(self, document: Document, position: types.Position) -> None:
        path = short_path(document.path, self._server.roots)
        self._server.surroundings.edited(path, with_newlines(document.text), position.line)
        self._places[document.uri] = position
        self._places.move_to_end(document.uri)
        while len(self._places) > _MOST_PLACES:
            self._places.popitem(last=False)

    def changed(self, document: Document, changes: Sequence[Change]) -> None:
        """Complete behind text that came at once: the editor is about to ask."""
        if len(changes) != 1 or not self._may_help(document) or document.deleted:
            return
        (change,) = changes
        if not isinstance(change, types.TextDocumentContentChangePartial):
            return
        if not _TYPED < len(change.text) <= _LONGEST_ACCEPTED:
            return
        position = _end(document, change)
        query = self._server.query_at(document, types.Range(position, position))
        loop, uri, server = asyncio.get_running_loop(), document.uri, self._server

        def task(cancelled: Cancelled) -> bool:
            completer = server.completer
            if completer is None:
                return True
            found = suggest(completer, query, cancelled)
            if not cancelled():
                logger.debug("computed ahead: %r", found.text)
                call_on(loop, partial(server.shown.remember, uri, query.cursor, found.text))
            return True

        self._when_idle("next", task)

    def _when_idle(self, key: Hashable, task: Callable[[Cancelled], bool]) -> None:
        self._server.worker.when_idle(key, logged(task, "what was computed ahead failed"))

    def _may_help(self, document: Document) -> bool:
        settings = self._server.settings_of(document)
        return (
            settings.trusted
            and settings.completion.enabled
            and document.size <= settings.completion.max_file_bytes
        )

    def _learner(self, texts: Iterator[str]) -> Callable[[Cancelled], bool]:
        """Return a task that learns `texts`; told to stop, it goes on behind the last later."""

        def task(cancelled: Cancelled) -> bool:
            for text in texts:
                if self._server.completer is not None:
                    self._server.completer.learn(text)
                if cancelled():
                    return False
            return True

        return task


def _end(document: Document, change: types.TextDocumentContentChangePartial) -> types.Position:
    """Return where the cursor is behind an inserted text."""
    lines = change.text.replace("\r\n", "\n").split("\n")
    start = change.range.start
    last = document.units(lines[-1])
    if len(lines) == 1:
        return types.Position(start.line, start.character + last)
    return types.Position(start.line + len(lines) - 1, last)
