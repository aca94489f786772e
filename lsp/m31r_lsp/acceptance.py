"""Which suggestions were shown, and what became of them."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial

from m31r_core.errors import M31RError
from m31r_lsp.statistics import Counts, add, statistics_file

logger = logging.getLogger(__name__)

# How many suggestions may still be accepted, and how many accepted ones be looked for.
_REMEMBERED = 256
_WRITE_AFTER_S = 20.0


@dataclass
class _Shown:
    """A suggestion: the line that it makes and that line's number, and what of it is still to
    come; `taken` once a part of it was accepted."""

    uri: str
    line: tuple[int, str]
    text: str
    taken: bool = False

    @property
    def made(self) -> str:
        """What stands in the document of the line, blanks around it left out."""
        line = self.line[1]
        return line[: len(line) - len(self.text)].strip()


class Acceptance:
    """Counts for one session. For the loop's thread.

    A suggestion that is being typed through is the same one: it makes the same line.
    """

    def __init__(self, enabled: Callable[[], bool]) -> None:
        """Count while `enabled` says so."""
        self.counts = Counts()
        self._enabled = enabled
        self._next = 1
        self._shown: OrderedDict[int, _Shown] = OrderedDict()
        self._accepted: list[_Shown] = []
        self._unwritten = Counts()
        self._writing: asyncio.TimerHandle | None = None

    def show(self, uri: str, number: int, line_before: str, text: str) -> int:
        """Take note that `text` is shown behind `line_before` in line `number`; return its id."""
        line = (number, line_before + text)
        for key, each in reversed(self._shown.items()):
            if each.uri == uri and each.line == line:
                each.text = text
                return key
        key, self._next = self._next, self._next + 1
        self._shown[key] = _Shown(uri, line, text)
        while len(self._shown) > _REMEMBERED:
            self._shown.popitem(last=False)
        self._count(Counts(shown=1))
        return key

    def accept(self, key: int, characters: int | None = None) -> None:
        """The user took a suggestion, or the next `characters` of it.

        Parts of one suggestion count as one that was accepted.
        """
        shown = self._shown.get(key)
        if shown is None:
            logger.debug("suggestion %s is too old to be counted", key)
            return
        size = len(shown.text) if characters is None else min(characters, len(shown.text))
        self._count(Counts(accepted=int(not shown.taken), characters=size))
        shown.text = shown.text[size:]
        if not shown.taken:
            shown.taken = True
            self._accepted.append(shown)
            del self._accepted[:-_REMEMBERED]

    def saved(self, uri: str, text: str) -> None:
        """Look which accepted suggestions the user has kept in a document that is saved."""
        ours = [each for each in self._accepted if each.uri == uri]
        self._accepted = [each for each in self._accepted if each.uri != uri]
        kept = sum(each.made in text for each in ours)
        if kept:
            self._count(Counts(kept=kept))

    def clear(self) -> None:
        """Forget what was shown; what was counted stays."""
        self._shown.clear()

    def write(self) -> None:
        """Add what was counted since the last time to the user's file."""
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
        counts, self._unwritten = self._unwritten, Counts()
        if counts != Counts():
            _write(counts)

    def _count(self, counts: Counts) -> None:
        self.counts += counts
        if not self._enabled():
            return
        self._unwritten += counts
        if self._writing is None:
            loop = asyncio.get_running_loop()
            self._writing = loop.call_later(_WRITE_AFTER_S, self._write_elsewhere)

    def _write_elsewhere(self) -> None:
        self._writing = None
        counts, self._unwritten = self._unwritten, Counts()
        asyncio.get_running_loop().run_in_executor(None, partial(_write, counts))


def _write(counts: Counts) -> None:
    try:
        add(statistics_file(), date.today(), counts)
    except M31RError as error:
        logger.warning("what was accepted is not counted: %s", error)
