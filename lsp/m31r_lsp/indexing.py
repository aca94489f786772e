"""Reading the workspace and the names of its dependencies, while the model has nothing to do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from m31r_lsp.context.files import manifests, read, rust_files
from m31r_lsp.context.surroundings import Surroundings
from m31r_lsp.documents import short_path
from m31r_lsp.progress import progress
from m31r_lsp.scope.dependencies import Package, packages, source_folders, sources_of
from m31r_lsp.scope.public import declared_names
from m31r_lsp.scope.standard import standard_names
from m31r_lsp.worker import Cancelled, call_on, logged

if TYPE_CHECKING:
    from m31r_lsp.server import M31RServer

logger = logging.getLogger(__name__)

_KEY = "index"
_FAILED = "the workspace could not be read"
# In characters.
_PIECE = 8_000
_PIECE_OF_NAMES = 64_000
_LARGEST_LIBRARY = 128_000
_MOST_NAMES_BYTES = 64 << 20
# Of direct dependencies, what is read of items: about half a second of idle time.
_MOST_ITEMS_BYTES = 4 << 20


class Indexing:
    """Keeps a session's surroundings up to date. For the loop's thread."""

    def __init__(self, server: M31RServer) -> None:
        self._server = server
        self._begun: object = None
        self._showing: asyncio.Task[None] | None = None

    def begin_anew(self) -> None:
        """Read everything once more, as for another model, which learns it too."""
        self._begun = None
        self.begin()

    def begin(self) -> None:
        """Read the workspace, unless that was begun and nothing has changed since."""
        server, settings = self._server, self._server.settings
        wanted = (server.roots, settings.context, settings.trusted)
        if wanted == self._begun:
            return
        self._begun = wanted
        server.worker.no_longer(_KEY)
        server.surroundings.clear()
        if self._showing is not None:
            self._showing.cancel()
        if not settings.trusted or not settings.completion.enabled:
            self._begun = None
            return
        steps = read_workspace(
            server.surroundings,
            server.roots if settings.context.workspace else (),
            dependencies=settings.context.dependencies,
            learn=self._learn,
        )
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        says: list[Callable[[str], None]] = []

        def task(cancelled: Cancelled) -> bool:
            for step in steps:
                if self._begun is not wanted:
                    return True
                for say in says:
                    say(step)
                if cancelled():
                    return False
            logger.debug("the workspace is read: %s", server.surroundings.size())
            call_on(loop, done.set)
            return True

        finished = partial(call_on, loop, done.set)
        server.worker.when_idle(_KEY, logged(task, _FAILED, finished))
        self._showing = loop.create_task(self._show(done, says))

    def changed(self, file: Path) -> None:
        """A Rust file was changed, made or deleted on the disk."""
        server = self._server
        if file.suffix != ".rs" or not self._is_ours(file):
            return
        path = short_path(file.as_posix(), server.roots)

        def task(cancelled: Cancelled) -> bool:
            server.surroundings.closed(path, read(file))
            return True

        server.worker.when_idle((_KEY, path), logged(task, _FAILED))

    def _is_ours(self, file: Path) -> bool:
        settings = self._server.settings
        return (
            settings.trusted
            and settings.context.workspace
            and any(file.is_relative_to(root) for root in self._server.roots)
        )

    def _learn(self, text: str) -> None:
        if self._server.completer is not None:
            self._server.completer.learn(text)

    async def _show(self, done: asyncio.Event, says: list[Callable[[str], None]]) -> None:
        def stop() -> None:
            self._server.worker.no_longer(_KEY)
            done.set()

        async with progress(self._server, "M31R reads the workspace", None, stop) as shown:
            says.append(shown.report)
            await done.wait()
            says.clear()


def read_workspace(
    known: Surroundings,
    roots: Iterable[Path],
    *,
    dependencies: bool,
    learn: Callable[[str], None] = lambda text: None,
) -> Iterator[str]:
    """Read the workspace's files, and its dependencies' names, in steps of a few milliseconds.

    Yields what was read last. `learn` gets every text in pieces.
    """
    roots = tuple(roots)
    found, missing = [], []
    for root in roots if dependencies else ():
        tables = manifests(root)
        of_root, lacking = packages(tables, source_folders(root))
        found += of_root
        missing += lacking if tables else [str(root)]
    yield from read_libraries(known, [each for each in found if each.direct])
    for root in roots:
        for file in rust_files(root):
            text = read(file)
            if text is None:
                continue
            known.read(short_path(file.as_posix(), roots), text)
            yield file.name
            for piece in pieces(text):
                learn(piece)
                yield file.name
    if not roots or not dependencies:
        return
    if missing:
        logger.debug("names are not checked: no sources of %s", ", ".join(missing))
    standard_names()
    yield "std"
    yield from read_names(known, found)
    known.complete(not missing)


def read_names(known: Surroundings, found: Iterable[Package]) -> Iterator[str]:
    """Read the names that dependencies declare."""
    room = _MOST_NAMES_BYTES
    for package in found:
        known.add_names([package.name.replace("-", "_")])
        for file in sources_of(package):
            text = read(file)
            if text is None or len(text) > room:
                continue
            room -= len(text)
            for piece in pieces(text, _PIECE_OF_NAMES):
                known.add_names(declared_names(piece))
                yield package.name


def read_libraries(known: Surroundings, found: Iterable[Package]) -> Iterator[str]:
    """Read the items of dependencies that a file may import."""
    room = _MOST_ITEMS_BYTES
    for package in found:
        for file in sources_of(package):
            text = read(file)
            if text is not None and len(text) <= min(room, _LARGEST_LIBRARY):
                room -= len(text)
                known.read_library(file.as_posix(), text)
                yield package.name


def pieces(text: str, size: int = _PIECE) -> Iterator[str]:
    """Yield `text` cut at lines: one piece takes a few milliseconds, and a request may come."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + size) + 1 or len(text)
        yield text[start:end]
        start = end
