"""The server: its state, its protocol quirks, and the transports it listens on."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
from functools import partial
from importlib.metadata import version
from pathlib import Path
from threading import Event
from typing import Any, cast

import cattrs
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.io_ import run_async
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, default_converter

from m31r_core.bundle import find_bundle, load_bundle
from m31r_core.engine import Completer, Engine
from m31r_core.errors import M31RError
from m31r_lsp.acceptance import Acceptance
from m31r_lsp.client import Abilities
from m31r_lsp.context.surroundings import Surroundings
from m31r_lsp.crates import Crates
from m31r_lsp.documents import Document, Documents, innermost, short_path
from m31r_lsp.filters.cursor import Cursor
from m31r_lsp.foresight import Foresight
from m31r_lsp.indexing import Indexing
from m31r_lsp.neighbours import end_children
from m31r_lsp.offers import Offers
from m31r_lsp.pace import Pace
from m31r_lsp.second_model import SecondModel
from m31r_lsp.settings import Settings
from m31r_lsp.status import StatusLine
from m31r_lsp.suggest import Query, Suggestion, with_newlines
from m31r_lsp.type_through import TypeThrough
from m31r_lsp.verifier import Verifier
from m31r_lsp.worker import Worker, call_on

logger = logging.getLogger(__name__)

ACCEPTED = "m31r.accepted"
"""The command that clients run when a suggestion was taken."""

_UINT_MAX = 2**31 - 1
_PARENT_POLL_S = 5.0


class M31RProtocol(LanguageServerProtocol):
    """pygls' protocol, but every request gets an answer, one that cannot be read too."""

    def structure_message(self, data: dict[str, Any]) -> Any:
        """Turn a JSON object into a message. Raises JsonRpcException."""
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if isinstance(data.get("id"), int | str) and "method" in data:
                self._send_response(data["id"], error=error.to_response_error())
            raise


class M31RServer(LanguageServer):
    """One client's session.

    `documents` are its open files, `settings` what holds for it, `toggled` the user's word on
    ghost text before the settings', `client` what the client can take, `status` what it is told,
    `worker` the thread that writes ghost text, `pace` how long it waits for the next key,
    `surroundings` what is known of other files, `shown` the suggestions that may be typed through,
    `acceptance` counts those that were taken, `verifier` asks rustc about them, `crates` is what
    the compiler said, `offers` the code actions that may still be applied. `generation` counts what
    happened to files on the disk.
    """

    def __init__(self, explicit_model: Path | None = None) -> None:
        """Prepare a session; `explicit_model` is the bundle that the command line names."""
        super().__init__(
            "m31r-lsp",
            version("m31r"),
            protocol_cls=M31RProtocol,
            converter_factory=_converter,
            max_workers=1,
        )
        # Documents are kept by requests/document_sync.py, in place of pygls' own.
        for method in (
            types.TEXT_DOCUMENT_DID_OPEN,
            types.TEXT_DOCUMENT_DID_CHANGE,
            types.TEXT_DOCUMENT_DID_CLOSE,
        ):
            del self.protocol.fm.builtin_features[method]
        self.documents = Documents()
        self.settings = Settings()
        self.status = StatusLine(self._tell_status)
        self.shown = TypeThrough()
        self.acceptance = Acceptance(lambda: self.settings.statistics)
        self.pace = Pace()
        self.surroundings = Surroundings(self.settings.context.max_index_mb * 10**6)
        self.indexing = Indexing(self)
        self.foresight = Foresight(self)
        self.worker: Worker[list[Suggestion]] = Worker()
        self.initial_settings: Any = None
        self.editor_settings: Any = None
        self.toggled: bool | None = None
        # The workspace's folders, and the settings of those that have some of their own.
        self.roots: tuple[Path, ...] = ()
        self.settings_below: dict[Path, Settings] = {}
        self.model_named_in: Path | None = None
        self.told: frozenset[str] = frozenset()
        self.client = Abilities()
        self.crates = Crates()
        self.offers = Offers()
        self.verifier = Verifier(self)
        self.second_model = SecondModel()
        self.generation = 0
        # In which state a crate was looked at last; the task that waits for a cursor to rest.
        self.looked_at: dict[Path, object] = {}
        self.resting: asyncio.Task[None] | None = None
        # The files with published diagnostics, by crate folder, and the editor's process.
        self.published: dict[Path, frozenset[Path]] = {}
        self.editor: int | None = None
        self._workers: dict[str, Worker[Any]] = {}
        self._closed = False
        self._told_once: set[str] = set()
        self._explicit_model = explicit_model
        self._loaded: tuple[Path | None, Path | None, int | None] | None = None
        # Written by the worker's thread and read by the jobs that run there.
        self.completer: Completer | None = None

    def load_model(self) -> None:
        """Have the worker load the model that the settings name, unless it is loaded already.

        The user is told in one line when that fails; the server then answers with nothing.
        """
        workspace = self.model_named_in
        settings = self.settings.model.path
        threads = self.settings.threads
        if self._loaded == (workspace, settings, threads):
            return
        self._loaded = (workspace, settings, threads)
        self.shown.clear()
        self.status.loading()
        loop = asyncio.get_running_loop()

        def load() -> None:
            self.completer = None
            self.second_model.use(None)
            try:
                path = find_bundle(
                    explicit=self._explicit_model, workspace=workspace, settings=settings
                )
                engine = Engine.load(load_bundle(path), threads=threads)
            except M31RError as error:
                logger.error("no completions: %s", error)
                call_on(loop, partial(self._no_model, str(error)))
            except Exception:
                logger.exception("the model could not be loaded")
                call_on(
                    loop, partial(self._no_model, "the model could not be loaded (see the log)")
                )
            else:
                self.completer = Completer(engine)
                self.second_model.use(engine)
                model = engine.bundle.manifest.model_id
                logger.info("model %s is loaded from %s", model, path)
                call_on(loop, partial(self.status.ready, model))

        self.worker.cancel_all()
        self.worker.prepare(load)
        self.foresight.begin_anew()
        self.indexing.begin_anew()

    def _no_model(self, reason: str) -> None:
        message = f"M31R gives no completions: {reason}"
        self.status.failed(message)
        self.tell(message, types.MessageType.Error)

    def forget_prompts(self) -> None:
        """Have the worker drop what it has computed of prompts."""

        def forget() -> None:
            if self.completer is not None:
                self.completer.forget()

        self.worker.prepare(forget)

    def _tell_status(self, status: dict[str, Any]) -> None:
        if self.client.status:
            self.protocol.notify("m31r/status", status)

    def query_at(
        self, document: Document, where: types.Range, by: str = "", *, by_hand: bool = False
    ) -> Query:
        """Return what to ask the model once the range `where` has become `by`."""
        cursor = Cursor(
            with_newlines(document.around(where.start)[0]) + by,
            with_newlines(document.around(where.end)[1]),
        )
        return Query(
            short_path(document.path, self.roots),
            cursor,
            self.settings_of(document).completion,
            self.surroundings if self.settings.context.workspace else None,
            by_hand,
        )

    def settings_of(self, document: Document) -> Settings:
        """Return what holds in a document: in its folder of the workspace."""
        root = innermost(document.path, self.roots)
        return self.settings if root is None else self.settings_below.get(root, self.settings)

    def worker_for(self, purpose: str) -> Worker[Any]:
        """Return the thread that compiles for one purpose; a newer job there overtakes an older.

        Never the one that writes ghost text: a long check must not delay it.
        """
        if purpose not in self._workers:
            self._workers[purpose] = Worker()
        return self._workers[purpose]

    def end_worker(self, purpose: str) -> None:
        """Stop what a thread does and let it go."""
        worker = self._workers.pop(purpose, None)
        if worker is not None:
            worker.cancel_all()
            worker.close(timeout_s=0)

    def stop_checks(self) -> None:
        """Answer every search and check under way with nothing."""
        self.stop_resting()
        self.verifier.stop()
        for worker in self._workers.values():
            worker.cancel_all()

    def stop_resting(self) -> None:
        """Forget that the cursor rested somewhere."""
        if self.resting is not None:
            self.resting.cancel()
            self.resting = None

    def state(self) -> object:
        """What changes whenever a text does, in the editor or, where it tells, on the disk."""
        return self.generation, tuple((each.uri, each.version) for each in self.documents)

    def tell(self, message: str, kind: types.MessageType) -> None:
        """Show the user one line."""
        self.window_show_message(types.ShowMessageParams(type=kind, message=message))

    def tell_once(self, message: str) -> None:
        """Show the user one line, unless it was shown before."""
        if message not in self._told_once:
            self._told_once.add(message)
            self.tell(message, types.MessageType.Info)

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log what a client's message broke; the user cannot mend it."""
        logger.error("%s: %s", getattr(source, "__name__", source), error)

    def watch_parent(self, pid: int | None) -> None:
        """End the session when the process `pid`, the editor, is gone."""
        if pid is None or pid <= 0:
            return
        loop = asyncio.get_running_loop()
        try:
            descriptor = os.pidfd_open(pid)
        except AttributeError:
            self._parent = loop.create_task(self._poll_parent(pid))
        except OSError:
            logger.debug("the editor's process %s cannot be watched", pid)
        else:
            loop.add_reader(descriptor, self._parent_died, descriptor)

    def _parent_died(self, descriptor: int) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        self._leave()

    async def _poll_parent(self, pid: int) -> None:
        while True:
            await asyncio.sleep(_PARENT_POLL_S)
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                self._leave()
            except OSError:
                return

    def _leave(self) -> None:
        # The thread that reads stdin may be blocked for ever: another process can hold the pipe.
        logger.error("the editor's process is gone")
        self.acceptance.write()
        self.close_threads()
        os._exit(1)

    def close_threads(self) -> None:
        """Stop everything that computes, and kill the compilers that run for it."""
        if self._closed:
            return
        self._closed = True
        workers = [*self._workers.values(), self.worker]
        for worker in workers:
            worker.close(timeout_s=0)
        end_children()
        for worker in workers:
            worker.close(timeout_s=1)
        # A thread may have started one more before it saw that it is over.
        end_children()

    def shutdown(self) -> None:
        """End the threads and the transport."""
        self.acceptance.write()
        self.close_threads()
        super().shutdown()  # type: ignore[no-untyped-call]

    @property
    def asked_to_exit(self) -> bool:
        """Whether the client said shutdown: the exit code is 0 then, else 1."""
        return bool(self.protocol._shutdown)

    def serve_tcp(self, host: str, port: int) -> None:
        """Serve one client over TCP, and return when it leaves in whatever way."""
        self._stop_event = Event()

        async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.protocol.set_writer(cast(Any, writer))
            try:
                await run_async(
                    stop_event=cast(Event, self._stop_event),
                    reader=cast(Any, reader),
                    protocol=self.protocol,
                    logger=logger,
                    error_handler=self.report_server_error,
                )
            except (asyncio.IncompleteReadError, ConnectionError):
                logger.info("the client left in the middle of a message")
            except SystemExit:
                logger.debug("the client said exit")
            finally:
                finished.set()

        async def serve() -> None:
            server = await asyncio.start_server(session, host, port)
            for listening in server.sockets:
                logger.warning("listening on %s:%s", *listening.getsockname()[:2])
            await finished.wait()
            server.close()

        finished = asyncio.Event()
        try:
            asyncio.run(serve())
        finally:
            self.shutdown()

    def serve_ws(self, host: str, port: int) -> None:
        """Serve one client over WebSocket. Raises M31RError where the package for it is missing."""
        if importlib.util.find_spec("websockets") is None:
            raise M31RError("websockets is not installed: pip install 'm31r[serve]'")
        self.start_ws(host, port)


def create_server(explicit_model: Path | None = None) -> M31RServer:
    """Return a server with all requests registered."""
    from m31r_lsp.requests import register_all

    server = M31RServer(explicit_model)
    register_all(server)
    return server


def _converter() -> cattrs.Converter:
    """Return pygls' converter, but numbers that no position can have become the nearest one.

    Some editors end a range at 2**32 - 1; refused, the change would be lost.
    """
    converter = cast(cattrs.Converter, default_converter())  # type: ignore[no-untyped-call]

    def clamped(data: Any, _: type) -> types.Position:
        line, character = (
            min(max(int(data[name]), 0), _UINT_MAX) for name in ("line", "character")
        )
        return types.Position(line, character)

    converter.register_structure_hook(types.Position, clamped)
    return converter
