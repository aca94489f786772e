"""What rustc says after a save, and when it is left to rust-analyzer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.lsp.crates import MOVED, MOVED_LINE, RICH, make_crate, needs_cargo

from m31r_lsp.neighbours import rust_analyzer_runs

if TYPE_CHECKING:
    from tests.lsp.conftest import Start, Wire

Json = dict[str, Any]
FIXED = MOVED.replace("length(name)", "length(name.clone())")


@pytest.fixture
def serve(start: Start, bundle_path: Path, tmp_path: Path) -> Any:
    """Start a server on a crate with one error; return it, the crate and the file's URI."""

    def serve_it(on_save: str) -> tuple[Wire, Path, str]:
        crate = make_crate(tmp_path / "crate", {"src/main.rs": MOVED})
        wire = start("--model", str(bundle_path), env={"XDG_CACHE_HOME": str(tmp_path / "cache")})
        result = wire.initialize({"check": {"on_save": on_save}}, root=crate, capabilities=RICH)
        assert result["capabilities"]["textDocumentSync"]["save"] == {"includeText": False}
        uri = (crate / "src/main.rs").as_uri()
        wire.open(uri, MOVED)
        return wire, crate, uri

    return serve_it


@needs_cargo
def test_errors_appear_after_a_save_and_go_when_fixed(serve: Any) -> None:
    wire, crate, uri = serve("on")
    wire.save(uri)
    said = wire.wait_for("textDocument/publishDiagnostics")
    assert (said["uri"], said["version"]) == (uri, 1)
    (error,) = (each for each in said["diagnostics"] if each["severity"] == 1)
    assert error["source"] == "m31r"
    assert error["code"] == "E0382"
    assert error["range"]["start"]["line"] == MOVED_LINE
    assert "borrow of moved value" in error["message"]
    assert any("moved here" in each["message"] for each in error["relatedInformation"])
    assert wire.actions(uri, MOVED_LINE, 16, diagnostics=[error])
    wire.change(uri, 2, {"text": FIXED})
    (crate / "src/main.rs").write_text(FIXED)
    wire.save(uri)
    said = wire.wait_for("textDocument/publishDiagnostics")
    assert [each for each in said["diagnostics"] if each["severity"] == 1] == []


@needs_cargo
def test_errors_go_when_the_file_is_closed(serve: Any) -> None:
    wire, _, uri = serve("on")
    wire.save(uri)
    assert wire.wait_for("textDocument/publishDiagnostics")["diagnostics"]
    wire.close(uri)
    assert wire.wait_for("textDocument/publishDiagnostics")["diagnostics"] == []


@needs_cargo
def test_errors_go_when_the_workspace_is_not_trusted_any_more(serve: Any) -> None:
    wire, _, uri = serve("on")
    wire.save(uri)
    assert wire.wait_for("textDocument/publishDiagnostics")["diagnostics"]
    wire.notify("workspace/didChangeConfiguration", {"settings": {"m31r": {"trusted": False}}})
    assert wire.wait_for("textDocument/publishDiagnostics")["diagnostics"] == []


def test_off_says_nothing(serve: Any) -> None:
    wire, _, uri = serve("off")
    wire.save(uri)
    assert wire.leave() == 0
    assert not [each for each in wire.messages if "Diagnostics" in each["method"]]


on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


@on_linux
@needs_cargo
def test_auto_leaves_it_to_rust_analyzer(serve: Any, tmp_path: Path) -> None:
    wire, _, uri = serve("auto")
    wire.save(uri)
    assert wire.wait_for("textDocument/publishDiagnostics")["diagnostics"]
    process = namesake(tmp_path)
    try:
        wire.save(uri)
        assert wire.wait_for("textDocument/publishDiagnostics")["diagnostics"] == []
    finally:
        process.kill()
        process.wait()


@on_linux
def test_a_rust_analyzer_is_seen_only_below_the_editor(tmp_path: Path) -> None:
    assert rust_analyzer_runs(os.getpid()) is False
    process = namesake(tmp_path)
    try:
        assert rust_analyzer_runs(os.getpid()) is True
        assert rust_analyzer_runs(process.pid) is True
        with subprocess.Popen(["sleep", "60"]) as other:
            assert rust_analyzer_runs(other.pid) is False
            other.kill()
    finally:
        process.kill()
        process.wait()
    assert rust_analyzer_runs(None) is None
    assert rust_analyzer_runs(os.getpid(), tmp_path / "no-proc") is None


def namesake(folder: Path) -> subprocess.Popen[bytes]:
    """A child of this process, the editor, that has rust-analyzer's name."""
    program = folder / "rust-analyzer"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    process = subprocess.Popen([program, "120"])
    end = time.monotonic() + 10
    stat = Path(f"/proc/{process.pid}/stat")
    while "rust-analyzer" not in stat.read_text() and time.monotonic() < end:
        time.sleep(0.01)
    return process
