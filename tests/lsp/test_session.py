"""A real server process, asked what editors ask."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lsprotocol import types
from pytest_lsp import LanguageClient, client_capabilities, make_test_lsp_client

if TYPE_CHECKING:
    from tests.lsp.conftest import Start, Wire

Lively = tuple[str, int, int]
URI = "file:///session.rs"
SPEAK: dict[str, Any] = {"completion": {"min_confidence": 0.0}}


@pytest.mark.parametrize("editor", ["visual-studio-code", "neovim"])
async def test_a_session_with_an_editors_capabilities(
    editor: str, bundle_path: Path, lively: Lively
) -> None:
    client: LanguageClient = make_test_lsp_client()
    await client.start_io(sys.executable, "-m", "m31r_lsp", "--model", str(bundle_path))
    params = types.InitializeParams(
        capabilities=client_capabilities(editor), initialization_options=SPEAK
    )
    result = await client.initialize_session(params)
    assert result.capabilities.inline_completion_provider is not None
    assert result.capabilities.completion_provider is not None
    assert result.server_info is not None
    assert result.server_info.name == "m31r-lsp"
    text, line, character = lively
    item = types.TextDocumentItem(URI, types.LanguageKind.Rust, 1, text)
    client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    document, position = types.TextDocumentIdentifier(URI), types.Position(line, character)
    ghost = await client.text_document_inline_completion_async(
        types.InlineCompletionParams(
            context=types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic),
            text_document=document,
            position=position,
        )
    )
    assert isinstance(ghost, types.InlineCompletionList)
    assert ghost.items[0].range == types.Range(position, position)
    menu = await client.text_document_completion_async(types.CompletionParams(document, position))
    assert isinstance(menu, types.CompletionList)
    assert [each.detail for each in menu.items] == ["M31R"]
    assert client.messages == []
    await client.shutdown_session()
    assert client._server is not None
    assert client._server.returncode == 0
    await client.stop()  # type: ignore[no-untyped-call]


def test_ghost_text_extends_the_selected_menu_item(server: Wire, lively: Lively) -> None:
    text, line, character = lively
    server.open(URI, text)
    ghost = server.ghost(URI, line, character)
    assert ghost
    where = {
        "start": {"line": line, "character": character},
        "end": {"line": line, "character": character},
    }
    params: dict[str, Any] = {
        "textDocument": {"uri": URI},
        "position": {"line": line, "character": character},
        "context": {
            "triggerKind": 2,
            "selectedCompletionInfo": {"range": where, "text": ghost[:2]},
        },
    }
    items = server.call("textDocument/inlineCompletion", params)["items"]
    assert items[0]["insertText"] == ghost
    assert items[0]["range"] == where


def test_a_menu_item_replaces_the_word_before_the_cursor(server: Wire, lively: Lively) -> None:
    text, line, character = lively
    server.open(URI, text)
    ghost = server.ghost(URI, line, character)
    assert ghost
    typed(server, URI, 2, line, character, ghost[:2])
    place = {
        "textDocument": {"uri": URI},
        "position": {"line": line, "character": character + 2},
    }
    answer = server.call("textDocument/completion", place)
    (item,) = answer["items"]
    assert answer["isIncomplete"]
    assert item["filterText"] == item["textEdit"]["newText"] == ghost
    assert item["textEdit"]["range"]["start"] == {"line": line, "character": character}
    assert item["textEdit"]["range"]["end"] == place["position"]
    assert item["labelDetails"] == {"description": "M31R"}


def test_typing_what_is_shown_does_not_ask_the_model(
    start: Start, bundle_path: Path, lively: Lively, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    logging = ("--log-file", str(log), "--log-level", "debug")
    wire = start("--model", str(bundle_path), *logging)
    wire.initialize(SPEAK)
    text, line, character = lively
    wire.open(URI, text)
    ghost = wire.ghost(URI, line, character)
    assert ghost
    typed(wire, URI, 2, line, character, ghost[0])
    assert wire.ghost(URI, line, character + 1) == ghost[1:]
    assert wire.leave() == 0
    assert f"from what was shown: {ghost[1:]!r}" in log.read_text("utf-8")


def test_of_a_flood_the_last_is_answered_and_the_others_are_cancelled(
    start: Start, bundle_path: Path, lively: Lively, tmp_path: Path
) -> None:
    """A hundred requests without waiting: one answer, 99 cancellations, nothing left to do."""
    log = tmp_path / "log"
    wire = start("--model", str(bundle_path), "--log-file", str(log), "--log-level", "debug")
    wire.initialize(SPEAK)
    text, line, character = lively
    wire.open(URI, text)
    assert wire.ghost(URI, line, character)
    more = text[: text.index("\n", 1500) + 1]
    line += more.count("\n") + 1
    ids = []
    for i in range(100):
        # Never the same text twice, from its beginning on: each needs a prefill of its own.
        wire.change(URI, 2 + i, {"text": f"// {i}\n{more}{text}"})
        ids.append(wire.ask(URI, line, character))
    answers = [wire.response(number) for number in ids]
    assert "result" in answers[-1]
    assert [each["error"]["code"] for each in answers[:-1]] == [-32800] * 99
    assert wire.leave() == 0
    computed = re.findall(r" ms, confidence |silent: (?!a newer)", log.read_text("utf-8"))
    assert len(computed) == 2


def test_a_cancelled_request_is_answered(server: Wire, lively: Lively) -> None:
    text, line, character = lively
    server.open(URI, text + "\n// cancelled\n")
    number = server.ask(URI, line, character)
    server.notify("$/cancelRequest", {"id": number})
    answer = server.response(number)
    assert "result" in answer or answer["error"]["code"] == -32800
    assert server.ghost(URI, line, character)


def test_both_kinds_of_request_at_one_place_are_answered(server: Wire, lively: Lively) -> None:
    text, line, character = lively
    server.open(URI, text + "\n// both\n")
    ghost = server.ask(URI, line, character)
    place = {"textDocument": {"uri": URI}, "position": {"line": line, "character": character}}
    menu = server.request("textDocument/completion", place)
    (first,) = server.response(ghost)["result"]["items"]
    (second,) = server.response(menu)["result"]["items"]
    assert first["insertText"].strip() in second["label"]


def test_silence(server: Wire, lively: Lively) -> None:
    text, line, character = lively
    server.open(URI, text)
    assert server.ghost(URI, line, character)
    end = {"line": line, "character": character + 1}
    where = {"start": {"line": line, "character": character}, "end": end}
    server.change(URI, 2, {"range": {**where, "end": where["start"]}, "text": "~"})
    server.change(URI, 3, {"range": where, "text": ""})
    assert server.ghost(URI, line, character) is None, "after a deletion"
    assert server.ghost(URI, line, character, by_hand=True), "after a deletion, but asked for"
    server.open(URI, "// a comment \n" + text)
    assert server.ghost(URI, 0, 13) is None
    server.open(URI, 'const A: &str = "a string ";\n' + text)
    assert server.ghost(URI, 0, 26) is None
    assert server.ghost("file:///never-opened.rs", 0, 0) is None


def test_settings_change_while_it_runs(start: Start, bundle_path: Path, lively: Lively) -> None:
    wire = start("--model", str(bundle_path))
    wire.initialize(SPEAK)
    text, line, character = lively
    wire.open(URI, text)
    assert wire.ghost(URI, line, character)
    change_settings(wire, {"m31r": {"completion": {"enabled": False}}})
    assert wire.ghost(URI, line, character) is None
    change_settings(wire, {"m31r": {"completion": {"enabeld": True}}})
    message = wire.wait_for("window/showMessage")["message"]
    assert "'completion.enabeld'" in message
    assert "'enabled'" in message
    assert "\n" not in message
    assert wire.ghost(URI, line, character)
    change_settings(wire, {"m31r": {"trusted": False}})
    assert wire.ghost(URI, line, character) is None
    assert wire.leave() == 0


def test_the_workspaces_file_wins(
    start: Start, bundle_path: Path, lively: Lively, tmp_path: Path
) -> None:
    (tmp_path / "m31r.toml").write_text("[completion]\nenabled = false\nmax_file_byte = 1\n")
    wire = start("--model", str(bundle_path))
    wire.initialize({**SPEAK, "completion": {"enabled": True}}, root=tmp_path)
    message = wire.wait_for("window/showMessage")["message"]
    assert "m31r.toml: unknown key 'completion.max_file_byte'" in message
    text, line, character = lively
    wire.open(URI, text)
    assert wire.ghost(URI, line, character) is None


def test_a_model_named_by_the_workspace(
    start: Start, bundle_path: Path, lively: Lively, tmp_path: Path
) -> None:
    (tmp_path / "m31r.toml").write_text(f"[model]\npath = {json.dumps(str(bundle_path))}\n")
    wire = start(env={"M31R_MODEL": ""})
    wire.initialize({**SPEAK, "model": {"path": "/nowhere"}}, root=tmp_path)
    text, line, character = lively
    wire.open(URI, text)
    assert wire.ghost(URI, line, character)


NO_SOCKETS = """
import os, sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto"):
        os._exit(77)
sys.addaudithook(refuse)
from m31r_lsp.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize("how", ["sockets refused", "no network at all"])
def test_a_whole_session_without_network(
    how: str, start: Start, bundle_path: Path, lively: Lively
) -> None:
    command = [sys.executable, "-c", NO_SOCKETS]
    if how == "no network at all":
        unshare = ["unshare", "--user", "--map-root-user", "--net"]
        if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
            pytest.skip("this machine allows no network namespaces")
        command = [*unshare, *command]
    wire = start("--model", str(bundle_path), command=command)
    wire.initialize(SPEAK)
    text, line, character = lively
    wire.open(URI, text)
    ghost = wire.ghost(URI, line, character)
    assert ghost
    typed(wire, URI, 2, line, character, ghost[:2])
    assert wire.ghost(URI, line, character + 2) == ghost[2:]
    assert wire.leave() == 0


def change_settings(wire: Wire, settings: dict[str, Any]) -> None:
    wire.notify("workspace/didChangeConfiguration", {"settings": settings})


def typed(wire: Wire, uri: str, version: int, line: int, character: int, text: str) -> None:
    at = {"line": line, "character": character}
    wire.change(uri, version, {"range": {"start": at, "end": at}, "text": text})
