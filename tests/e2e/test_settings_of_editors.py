"""The settings that editors/README.md prints for editors that cannot be driven here.

The server is started as such an editor would start it, and hears what that editor says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.editors import until
from tests.e2e.library import STEMS, library
from tests.e2e.printed import printed, surroundings
from tests.lsp.conftest import Json, Wire
from tests.lsp.crates import (
    MOVED,
    MOVED_LINE,
    apply_on_disk,
    compiles,
    diagnostic,
    make_crate,
    needs_cargo,
)

pytestmark = pytest.mark.e2e

(KATE,) = (json.loads(block) for block in printed("Kate", "json"))
(ZED,) = (json.loads(block) for block in printed("Zed", "json"))

# What a Kate 22.12 with these settings announced, as far as it counts here. It does not know of
# codeAction/resolve, and asks for symbols whether or not the server has any.
KATE_KNOWS = {
    "textDocument": {
        "codeAction": {
            "codeActionLiteralSupport": {
                "codeActionKind": {"valueSet": ["quickfix", "refactor", "source"]}
            }
        },
        "publishDiagnostics": {"relatedInformation": True},
        "synchronization": {"didSave": True},
    },
    "window": {"workDoneProgress": True},
}
ZED_KNOWS = {
    "general": {"positionEncodings": ["utf-16"]},
    "textDocument": {
        "codeAction": {
            "codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["quickfix"]}},
            "dataSupport": True,
            "isPreferredSupport": True,
            "resolveSupport": {"properties": ["edit", "command"]},
        },
        "completion": {"completionItem": {"snippetSupport": True, "labelDetailsSupport": True}},
    },
    "workspace": {
        "configuration": True,
        "didChangeConfiguration": {"dynamicRegistration": True},
        "workspaceEdit": {"documentChanges": True},
    },
}


@dataclass(frozen=True)
class Editor:
    """How an editor starts the server: the command, its options, what it knows and says then."""

    command: list[str]
    options: Json
    knows: Json
    configuration: Json | None = None

    def start(self, crate: Path, variables: Mapping[str, str]) -> Wire:
        wire = Wire(command=self.command, env=variables, cwd=crate)
        wire.initialize(self.options, root=crate, capabilities=self.knows)
        if self.configuration is not None:
            wire.notify("workspace/didChangeConfiguration", {"settings": self.configuration})
        return wire


def kate() -> Editor:
    server = KATE["servers"]["rust"]
    return Editor(server["command"], server["initializationOptions"], KATE_KNOWS)


def zed() -> Editor:
    server = ZED["lsp"]["rust-analyzer"]
    binary = server["binary"]
    # Zed adds these for rust-analyzer, and tells of changes in this way.
    lens = {"lens": {"enable": True, "references": {"adt": {"enable": True}}}}
    options = {**server["initialization_options"], **lens}
    command = [binary["path"], *binary["arguments"]]
    return Editor(command, options, ZED_KNOWS, {"rust-analyzer": lens})


Start = Callable[[Editor, Path], Wire]


@pytest.fixture
def serve(tmp_path: Path, bundle_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start the server as an editor does in a crate."""
    variables = surroundings(tmp_path, bundle_path)
    monkeypatch.setenv("PATH", variables["PATH"])
    started: list[Wire] = []

    def start(editor: Editor, crate: Path) -> Wire:
        started.append(editor.start(crate, variables))
        return started[-1]

    yield start
    for wire in started:
        wire.kill()


EDITORS = pytest.mark.parametrize("editor", [kate(), zed()], ids=["kate", "zed"])


@EDITORS
def test_the_completion_menu_has_an_item(editor: Editor, serve: Start, tmp_path: Path) -> None:
    place = library(tmp_path / "crate")
    wire = serve(editor, place.crate)
    lines = place.file.read_text().split("\n")
    uri = place.file.as_uri()
    wire.open(uri, "\n".join(lines))
    at: dict[str, Any] = {"textDocument": {"uri": uri}}
    items: list[Json] = []
    for version, stem in enumerate(STEMS, 2):
        written = [*lines[: place.line + 1], stem, *lines[place.line + 1 :]]
        wire.change(uri, version, {"text": "\n".join(written)})
        at["position"] = {"line": place.line + 1, "character": len(stem)}
        items = wire.call("textDocument/completion", at)["items"]
        if items:
            break
    assert [item["detail"] for item in items] == ["M31R"]
    assert wire.leave() == 0


@needs_cargo
@EDITORS
def test_an_error_is_fixed(editor: Editor, serve: Start, tmp_path: Path) -> None:
    crate = make_crate(tmp_path / "crate", {"src/main.rs": MOVED})
    wire = serve(editor, crate)
    uri = (crate / "src" / "main.rs").as_uri()
    wire.open(uri, MOVED)
    spoken = [diagnostic(MOVED_LINE, "E0382")]
    actions: list[Json] = []
    for _ in range(3):
        actions = wire.actions(uri, MOVED_LINE, 16, diagnostics=spoken)
        if actions:
            break
    action = actions[0]
    assert action["title"].startswith("M31R: ")
    if "resolveSupport" in editor.knows["textDocument"]["codeAction"]:
        action = wire.resolve(action)
    apply_on_disk(action["edit"])
    assert compiles(crate)


@EDITORS
def test_the_settings_can_say_that_nothing_is_trusted(
    editor: Editor, serve: Start, tmp_path: Path
) -> None:
    said = json.dumps(editor.options)
    options = json.loads(said.replace('"trusted": true', '"trusted": false'))
    assert options != editor.options
    wire = serve(replace(editor, options=options), library(tmp_path / "crate").crate)

    def message() -> str:
        command = {"command": "m31r.status", "arguments": []}
        return str(wire.call("workspace/executeCommand", command)["message"])

    assert until(lambda: "loaded" not in message(), 30)
    assert "not trusted" in message()


def test_kate_may_ask_for_what_there_is_not(serve: Start, tmp_path: Path) -> None:
    place = library(tmp_path / "crate")
    wire = serve(kate(), place.crate)
    wire.open(place.file.as_uri(), place.file.read_text())
    at = {"textDocument": {"uri": place.file.as_uri()}}
    answer = wire.response(wire.request("textDocument/documentSymbol", at))
    assert answer["error"]["code"] == METHOD_NOT_FOUND
    assert wire.leave() == 0
    assert not complaints(wire)


METHOD_NOT_FOUND = -32601


def test_nobody_is_told_of_what_zed_adds_for_rust_analyzer(serve: Start, tmp_path: Path) -> None:
    wire = serve(zed(), library(tmp_path / "crate").crate)
    assert wire.leave() == 0
    assert not complaints(wire)


def complaints(wire: Wire) -> list[str]:
    """What the user was shown meanwhile."""
    shown = [each for each in wire.messages if each["method"] == "window/showMessage"]
    return [each["params"]["message"] for each in shown]
