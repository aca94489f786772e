"""textDocument/codeAction: repairs and rewrites that rustc accepted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from lsprotocol import types

from m31r_core.errors import M31RError
from m31r_lsp.actions import announce
from m31r_lsp.checking import buffers_around, crate_folder, why_not
from m31r_lsp.documents import Document
from m31r_lsp.progress import Progress, progress
from m31r_lsp.questions import FIX_ALL, Question, Wanted
from m31r_lsp.server import M31RServer
from m31r_lsp.worker import Cancelled

if TYPE_CHECKING:
    from m31r_lsp.searching import Answer

logger = logging.getLogger(__name__)

# Seconds for a request that may be about nothing of ours, and for a search to end by itself.
_GLANCE_S = 2.0
_GRACE_S = 0.5

_KINDS = (
    types.CodeActionKind.QuickFix.value,
    types.CodeActionKind.RefactorRewrite.value,
    FIX_ALL,
)


def register(server: M31RServer) -> None:
    """Register the request; the edits come with codeAction/resolve."""
    options = types.CodeActionOptions(
        code_action_kinds=_KINDS, resolve_provider=True, work_done_progress=True
    )
    server.feature(types.TEXT_DOCUMENT_CODE_ACTION, options)(code_action)


async def code_action(server: M31RServer, params: types.CodeActionParams) -> list[types.CodeAction]:
    """Return actions that the compiler has accepted.

    Asked by hand, look for them; asked because the cursor moved, answer with what is known.
    """
    document = server.documents.get(params.text_document.uri)
    if document is None:
        logger.debug("no actions: %s is not open", params.text_document.uri)
        return []
    by_hand = _by_hand(params.context)
    if not by_hand:
        # Editors ask whenever the cursor has moved.
        server.foresight.looked_at(document, document.clamp(params.range.end))
    reason = why_not(server.settings_of(document), document)
    if reason is not None:
        logger.debug("no actions: %s", reason)
        return []
    if not by_hand and not _worth_a_look(server, document, params.context):
        return []
    question = _question(server, document, params)
    if question is None:
        return []
    if not by_hand:
        return await _from_memory(server, question)
    seconds = await _patience(server, question)
    try:
        async with asyncio.timeout(seconds):
            answer = await _search(server, document, question, params.work_done_token)
    except TimeoutError:
        # What was begun goes on, so that the next request need not wait for it.
        logger.warning("no actions: the compiler needs more than %g s; ask again", seconds)
        if server.crates.latest(question.folder) is None and seconds > _GLANCE_S:
            server.tell_once(
                f"M31R compiles {question.folder.name} for the first time; ask again in a while"
            )
        return []
    if answer is None or answer.findings is None:
        return []
    server.looked_at[question.folder] = question.state
    return announce(server, answer.findings, answer.found)


def _question(
    server: M31RServer, document: Document, params: types.CodeActionParams
) -> Question | None:
    only = [getattr(kind, "value", kind) for kind in params.context.only or ()]
    wanted = Wanted.of(only)
    folder = crate_folder(document)
    if not wanted.anything or folder is None or document.file is None:
        return None
    return Question(
        state=server.state(),
        folder=folder,
        file=document.file,
        buffers=buffers_around(server, folder),
        encoding=server.documents.encoding,
        where=types.Range(document.clamp(params.range.start), document.clamp(params.range.end)),
        diagnostics=tuple(params.context.diagnostics),
        wanted=wanted,
        only=bool(only),
    )


def _by_hand(context: types.CodeActionContext) -> bool:
    """Whether the user waits for it.

    Clients that do not say ask at every move of the cursor. VS Code calls it automatic when it
    asks for actions on save.
    """
    if any(str(getattr(kind, "value", kind)).startswith("source") for kind in context.only or ()):
        return True
    if context.trigger_kind is None:
        return bool(context.only or context.diagnostics)
    return context.trigger_kind == types.CodeActionTriggerKind.Invoked


async def _patience(server: M31RServer, question: Question) -> float:
    """Return the seconds after which the editor gets an answer: other servers may have actions.

    Few where nobody spoke of an error and there is nothing to write.
    """
    check, wanted = server.settings.check, question.wanted
    if wanted.fix_all:
        return check.fix_all_s + _GRACE_S
    meant = question.only or _speaks_of_error(question.diagnostics)
    if meant or await asyncio.to_thread(_can_be_written, question):
        return check.deadline_s + _GRACE_S
    return min(_GLANCE_S, check.deadline_s)


def _can_be_written(question: Question) -> bool:
    from m31r_core.repair.rewrite import rewrites_at
    from m31r_lsp.positions import ByteLines

    text = question.buffers[question.file].encode()
    offset = ByteLines(text, question.encoding).offset(question.where.start)
    return question.wanted.rewrite and bool(rewrites_at(text, offset))


def _worth_a_look(server: M31RServer, document: Document, context: types.CodeActionContext) -> bool:
    """Whether anybody ever spoke of an error in the document's crate."""
    folder = crate_folder(document)
    looked_at = folder is not None and server.crates.latest(folder) is not None
    return looked_at or _speaks_of_error(context.diagnostics)


def _speaks_of_error(diagnostics: Sequence[types.Diagnostic]) -> bool:
    return any(each.severity in (None, types.DiagnosticSeverity.Error) for each in diagnostics)


async def _search(
    server: M31RServer, document: Document, question: Question, token: str | int | None
) -> Answer | None:
    """Search in the document's thread; None when a newer request or the user stopped it."""
    loop = asyncio.get_running_loop()
    running: list[asyncio.Task[Answer | None]] = []
    async with progress(
        server, "M31R", token, lambda: [task.cancel() for task in running]
    ) as shown:
        task = loop.create_task(
            server.worker_for(document.uri).submit(
                question.key, partial(_job, server, question, shown)
            )
        )
        running.append(task)
        try:
            return await task
        except asyncio.CancelledError:
            here = asyncio.current_task()
            if here is not None and here.cancelling():
                raise
            return None
        except M31RError as error:
            logger.warning("no actions: %s", error)
            server.tell_once(f"M31R has no code actions: {error}")
            return None
        except Exception:
            logger.exception("no actions: the search failed")
            return None


def _job(
    server: M31RServer, question: Question, shown: Progress | None, cancelled: Cancelled
) -> Answer:
    from m31r_lsp.searching import search

    report = shown.report if shown else lambda message: None
    model, settings = server.second_model.completer, server.settings.check
    return search(server.crates, question, settings, model, cancelled, report)


async def _from_memory(server: M31RServer, question: Question) -> list[types.CodeAction]:
    """Answer at once, and start a search should the cursor rest on an error."""
    findings = server.crates.latest(question.folder)
    actions: list[types.CodeAction] = []
    unsought = _speaks_of_error(question.diagnostics)
    if findings is not None and server.looked_at.get(question.folder) == question.state:
        # The first time this takes a tenth of a second.
        searching = await asyncio.to_thread(import_module, "m31r_lsp.searching")
        found, unsought = searching.known(findings, question)
        actions = announce(server, findings, found)
    place = (question.state, question.file, question.where.start.line)
    if not (unsought and question.wanted.quickfix):
        server.stop_resting()
    elif server.resting is None or server.resting.done() or server.resting.get_name() != str(place):
        server.stop_resting()
        server.resting = asyncio.create_task(_rest(server, question), name=str(place))
    return actions


async def _rest(server: M31RServer, question: Question) -> None:
    await asyncio.sleep(server.settings.check.rest_s)
    wanted = Wanted(quickfix=True, rewrite=False, fix_all=False)
    only = replace(question, wanted=wanted, by_hand=False)
    job = partial(_job, server, only, None)
    try:
        await server.worker_for("background").submit(only.key, job)
    except M31RError as error:
        logger.debug("nothing is known of the error at the cursor: %s", error)
    except Exception:
        logger.exception("the search for the error at the cursor failed")
    else:
        server.looked_at[question.folder] = question.state
