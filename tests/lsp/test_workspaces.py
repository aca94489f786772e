"""Workspaces of every kind: several folders, files that come and go, read-only, two servers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.editors import until
from tests.lsp.conftest import SPEAK, Start, Wire
from tests.lsp.crates import make_crate
from tests.lsp.test_execute_command import command

WATCHES = {"workspace": {"workspaceFolders": True}}
SHELF = "pub struct Shelf;\n\nimpl Shelf {\n    pub fn borrow_book(&self) {}\n}\n"
Serve = Callable[..., Wire]


@pytest.fixture
def serve(start: Start, bundle_path: Path, tmp_path: Path) -> Serve:
    def serve_it(*roots: Path, log: str = "log", **options: Any) -> Wire:
        arguments = ("--log-file", str(tmp_path / log), "--log-level", "debug")
        environment = {"XDG_DATA_HOME": str(tmp_path), "M31R_DEBUG_REQUESTS": "1"}
        wire = start("--model", str(bundle_path), *arguments, env=environment)
        folders = [{"uri": root.as_uri(), "name": root.name} for root in roots]
        parameters = {
            "processId": os.getpid(),
            "rootUri": None,
            "workspaceFolders": folders,
            "capabilities": WATCHES,
            "initializationOptions": {**SPEAK, **options},
        }
        wire.call("initialize", parameters)
        wire.notify("initialized", {})
        # What is said may depend on what was read so far.
        index(wire)
        return wire

    return serve_it


def index(wire: Wire) -> dict[str, Any]:
    """What is known, once everything was read."""
    until(lambda: command(wire, "m31r.status")["index"]["ready"], 60)
    found: dict[str, Any] = command(wire, "m31r.status")["index"]
    return found


def watched(wire: Wire, file: Path, kind: int) -> None:
    changes = [{"uri": file.as_uri(), "type": kind}]
    wire.notify("workspace/didChangeWatchedFiles", {"changes": changes})


@pytest.fixture
def crate(tmp_path: Path) -> Path:
    return make_crate(tmp_path / "crate", {"src/shelf.rs": SHELF, "src/lib.rs": "pub mod shelf;\n"})


def test_the_workspace_is_indexed(serve: Serve, crate: Path) -> None:
    wire = serve(crate)
    assert index(wire) == {"files": 2, "items": 2, "names": 0, "ready": True}
    assert command(wire, "m31r.status")["workspace"] == [str(crate)]


def test_files_that_are_made_renamed_and_deleted(serve: Serve, crate: Path) -> None:
    wire = serve(crate)
    index(wire)

    def items(expected: int) -> bool:
        def known() -> bool:
            return bool(command(wire, "m31r.status")["index"]["items"] == expected)

        return until(known, 30)

    made = crate / "src" / "desk.rs"
    made.write_text("pub fn lend() {}\n")
    watched(wire, made, 1)
    assert items(3)
    renamed = made.rename(crate / "src" / "counter.rs")
    watched(wire, made, 3)
    watched(wire, renamed, 1)
    renamed.write_text("pub fn lend() {}\npub fn take_back() {}\n")
    watched(wire, renamed, 2)
    assert items(4)
    renamed.unlink()
    watched(wire, renamed, 3)
    assert items(2)


def test_what_is_open_is_known_as_the_editor_has_it(
    serve: Serve, crate: Path, lively: tuple[str, int, int]
) -> None:
    wire, (text, line, character) = serve(crate), lively
    index(wire)
    file = crate / "src" / "lib.rs"
    wire.open(file.as_uri(), text)
    assert wire.ghost(file.as_uri(), line, character)
    file.unlink()
    watched(wire, file, 3)
    assert wire.ghost(file.as_uri(), line, character)
    wire.close(file.as_uri())
    assert until(lambda: command(wire, "m31r.status")["index"]["files"] == 1, 30)


def test_each_folder_has_settings_of_its_own(
    serve: Serve, tmp_path: Path, lively: tuple[str, int, int]
) -> None:
    text, line, character = lively
    loud = make_crate(tmp_path / "loud", {"src/lib.rs": text})
    quiet = make_crate(
        tmp_path / "quiet", {"src/lib.rs": text, "m31r.toml": "completion.enabled = false\n"}
    )
    wire = serve(loud, quiet)
    for crate in (loud, quiet):
        wire.open((crate / "src/lib.rs").as_uri(), text)
    assert wire.ghost((loud / "src/lib.rs").as_uri(), line, character)
    assert wire.ghost((quiet / "src/lib.rs").as_uri(), line, character) is None
    event = {"added": [], "removed": [{"uri": quiet.as_uri(), "name": "quiet"}]}
    wire.notify("workspace/didChangeWorkspaceFolders", {"event": event})
    assert wire.ghost((quiet / "src/lib.rs").as_uri(), line, character)
    assert command(wire, "m31r.status")["workspace"] == [str(loud)]
    event = {"removed": [], "added": [{"uri": quiet.as_uri(), "name": "quiet"}]}
    wire.notify("workspace/didChangeWorkspaceFolders", {"event": event})
    wire.open((quiet / "src/lib.rs").as_uri(), text)
    assert wire.ghost((quiet / "src/lib.rs").as_uri(), line, character) is None


def test_a_file_outside_the_workspace(
    serve: Serve, crate: Path, tmp_path: Path, lively: tuple[str, int, int]
) -> None:
    wire, (text, line, character) = serve(crate), lively
    for uri in ((tmp_path / "elsewhere.rs").as_uri(), "untitled:Untitled-1"):
        wire.open(uri, text)
        assert wire.ghost(uri, line, character)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_lines_end_as_they_do_in_the_document(serve: Serve, crate: Path, line_end: str) -> None:
    text = line_end.join(["fn main() {", "    ", "}", ""])
    wire = serve(crate)
    wire.open("file:///ends.rs", text)
    items = wire.response(wire.ask("file:///ends.rs", 1, 4, by_hand=True))["result"]["items"]
    assert items
    for item in items:
        inserted = item["insertText"]
        assert inserted.count("\n") == inserted.count(line_end)
        assert inserted.count("\r") == (inserted.count("\n") if line_end == "\r\n" else 0)


def test_tabs_emoji_and_combining_marks(
    serve: Serve, crate: Path, lively: tuple[str, int, int]
) -> None:
    wire, (text, line, character) = serve(crate), lively
    lines = text.split("\n")
    marks = '\tlet faces = "👩\u200d👩\u200d👧 e\u0301"; '
    lines[line] = marks + lines[line][:character].strip()
    wire.open("file:///marks.rs", "\n".join(lines))
    units = len(lines[line].encode("utf-16-le")) // 2
    answer = wire.response(wire.ask("file:///marks.rs", line, units, by_hand=True))
    for item in answer["result"]["items"]:
        assert item["range"]["start"] == {"line": line, "character": units}


def test_two_megabytes(serve: Serve, crate: Path, lively: tuple[str, int, int]) -> None:
    text, line, character = lively
    wire = serve(crate, completion={"min_confidence": 0, "max_file_bytes": 3_000_000})
    wire.open("file:///large.rs", text + "// filler\n" * 200_000)
    for _ in range(3):
        assert "result" in wire.response(wire.ask("file:///large.rs", line, character))
    assert wire.ghost("file:///large.rs", line, character)


def test_a_read_only_disk(
    start: Start, bundle_path: Path, crate: Path, lively: tuple[str, int, int]
) -> None:
    walls = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    if shutil.which("bwrap") is None or subprocess.run([*walls, "true"], check=False).returncode:
        pytest.skip("bubblewrap does not run here")
    text, line, character = lively
    server = [*walls, sys.executable, "-m", "m31r_lsp"]
    wire = start("--model", str(bundle_path), command=server)
    wire.initialize(SPEAK, root=crate)
    assert index(wire)["files"] == 2
    uri = (crate / "src" / "lib.rs").as_uri()
    wire.open(uri, text)
    assert wire.ghost(uri, line, character)
    wire.save(uri)
    assert wire.actions(uri, line) == []
    assert wire.leave() == 0
    assert {each.name for each in crate.iterdir()} == {"Cargo.toml", "src"}


def test_two_servers_on_one_workspace(
    serve: Serve, crate: Path, lively: tuple[str, int, int]
) -> None:
    text, line, character = lively
    uri = (crate / "src" / "lib.rs").as_uri()
    servers = [serve(crate, log="one"), serve(crate, log="two")]
    for wire in servers:
        wire.open(uri, text)
    ghosts = {wire.ghost(uri, line, character) for wire in servers}
    assert len(ghosts) == 1
    assert None not in ghosts
    for wire in servers:
        assert wire.leave() == 0


def test_a_bracket_behind_the_cursor_is_in_the_range(serve: Serve, crate: Path) -> None:
    """What the model writes here depends on the file; where it goes on behind, it takes over."""
    call = '    report(name, "first").expect("reported");\n'
    text = "fn main() {\n    let name = 1;\n" + call * 3 + "    report(name, )\n}\n"
    wire = serve(crate)
    wire.open("file:///brackets.rs", text)
    items = wire.response(wire.ask("file:///brackets.rs", 5, 17, by_hand=True))["result"]["items"]
    assert items
    for item in items:
        behind = item["range"]["end"]["character"] - 17
        assert behind in (0, 1)
        assert (")" in item["insertText"]) == (behind == 1) or behind == 0
    assert any(item["range"]["end"]["character"] == 18 for item in items), items


def test_manual_mode_waits_to_be_asked(
    serve: Serve, crate: Path, lively: tuple[str, int, int]
) -> None:
    text, line, character = lively
    wire = serve(crate, completion={"min_confidence": 0, "trigger": "manual"})
    wire.open("file:///manual.rs", text)
    assert wire.ghost("file:///manual.rs", line, character) is None
    assert command(wire, "m31r.status")["silent"] == "completion.trigger is manual"
    assert wire.ghost("file:///manual.rs", line, character, by_hand=True)


def test_reading_the_workspace_can_be_seen(start: Start, bundle_path: Path, tmp_path: Path) -> None:
    files = {f"src/m{i}.rs": "pub fn f() -> u8 {\n    1\n}\n" * 400 for i in range(120)}
    crate = make_crate(tmp_path / "crate", files)
    wire = start("--model", str(bundle_path))
    wire.initialize({}, root=crate, capabilities={"window": {"workDoneProgress": True}})
    begin = wire.wait_for("$/progress")
    assert begin["value"]["kind"] == "begin"
    assert begin["value"]["title"] == "M31R reads the workspace"
    kinds: list[str] = []
    while not kinds or kinds[-1] != "end":
        kinds.append(wire.wait_for("$/progress")["value"]["kind"])
    assert wire.leave() == 0
