"""What is computed before it is asked for."""

from __future__ import annotations

import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.lsp.conftest import PATIENCE_S, Start, Wire
from tests.lsp.test_session import SPEAK, URI, Lively, typed

from m31r_lsp.indexing import pieces


def logged(wire: Wire, log: Path, words: str) -> str:
    """The log, once it holds `words`."""
    for _ in range(PATIENCE_S * 100):
        text = log.read_text("utf-8")
        if words in text:
            return text
        assert wire.process.poll() is None
        time.sleep(0.01)
    raise AssertionError(f"{words!r} never came:\n{text}")


def begin(start: Start, bundle: Path, log: Path, root: Path | None = None) -> Wire:
    wire = start("--model", str(bundle), "--log-file", str(log), "--log-level", "debug")
    wire.initialize(SPEAK, root=root)
    return wire


def test_behind_an_accepted_text_the_next_one_is_ready(
    start: Start, bundle_path: Path, lively: Lively, tmp_path: Path
) -> None:
    text, line, character = lively
    wire = begin(start, bundle_path, tmp_path / "log")
    wire.open(URI, text)
    ghost = wire.ghost(URI, line, character)
    assert ghost is not None
    assert len(ghost) > 1
    typed(wire, URI, 2, line, character, ghost)
    logged(wire, tmp_path / "log", "computed ahead: ")
    behind = wire.ghost(URI, line, character + len(ghost))
    said = logged(wire, tmp_path / "log", "from what was shown")
    assert f"from what was shown: {behind or ''!r}" in said
    assert wire.leave() == 0


def test_letters_and_deletions_are_not_looked_behind(
    start: Start, bundle_path: Path, lively: Lively, tmp_path: Path
) -> None:
    text, line, character = lively
    wire = begin(start, bundle_path, tmp_path / "log")
    wire.open(URI, text)
    typed(wire, URI, 2, line, character, "z")
    nothing = {"line": line, "character": character}
    whole = {"start": nothing, "end": {"line": line, "character": character + 1}}
    wire.change(URI, 3, {"range": whole, "text": ""})
    wire.ghost(URI, line, character)
    assert wire.leave() == 0
    assert "computed ahead" not in (tmp_path / "log").read_text("utf-8")


def test_where_the_cursor_rests_the_prompt_is_computed(
    start: Start, bundle_path: Path, lively: Lively, tmp_path: Path
) -> None:
    """Editors ask for code actions when the cursor has moved, and before anything is typed."""
    text, line, character = lively
    wire = begin(start, bundle_path, tmp_path / "log")
    wire.open(URI, text)
    place = {"line": line, "character": character}
    context = {"diagnostics": [], "triggerKind": 2}
    asked = {
        "textDocument": {"uri": URI},
        "range": {"start": place, "end": place},
        "context": context,
    }
    wire.response(wire.request("textDocument/codeAction", asked))
    logged(wire, tmp_path / "log", "the prompt at the cursor is computed")
    assert wire.ghost(URI, line, character)
    assert wire.leave() == 0


def test_a_file_that_is_opened_again_is_computed_where_it_was_left(
    start: Start, bundle_path: Path, lively: Lively, tmp_path: Path
) -> None:
    """The first answer needs no prefill then: the prompt is in a cache, whole."""
    text, line, character = lively
    wire = begin(start, bundle_path, tmp_path / "log")
    wire.open(URI, text)
    ghost = wire.ghost(URI, line, character)
    wire.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
    before = (tmp_path / "log").read_text("utf-8").count("the prompt at the cursor is computed")
    wire.open(URI, text)
    for _ in range(PATIENCE_S * 100):
        said = (tmp_path / "log").read_text("utf-8").count("the prompt at the cursor is computed")
        if said > before:
            break
        time.sleep(0.01)
    assert said > before
    assert wire.ghost(URI, line, character) == ghost
    assert wire.leave() == 0


def test_the_files_of_the_workspace_are_read(
    start: Start, bundle_path: Path, lively: Lively, tmp_path: Path
) -> None:
    crate = tmp_path / "crate"
    (crate / "src").mkdir(parents=True)
    (crate / "target").mkdir()
    (crate / "src" / "broken.rs").write_bytes(b"fn \xff() {}")
    (crate / "src" / "main.rs").write_text("fn main() {}\n")
    text, line, character = lively
    wire = begin(start, bundle_path, tmp_path / "log", root=crate)
    wire.open((crate / "src" / "lib.rs").as_uri(), text)
    logged(wire, tmp_path / "log", "the workspace is read: Size(files=2,")
    assert wire.ghost((crate / "src" / "lib.rs").as_uri(), line, character)
    assert wire.leave() == 0


def test_nothing_is_read_in_a_workspace_that_is_not_trusted(
    start: Start, bundle_path: Path, lively: Lively, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    wire = start("--model", str(bundle_path), "--log-file", str(log), "--log-level", "debug")
    wire.initialize(SPEAK | {"trusted": False}, root=tmp_path)
    wire.open((tmp_path / "lib.rs").as_uri(), lively[0])
    wire.ghost((tmp_path / "lib.rs").as_uri(), 0, 0)
    assert wire.leave() == 0
    assert "workspace is read" not in log.read_text("utf-8")


@given(st.text(alphabet="ab\n\r🦀", max_size=200), st.integers(1, 30))
def test_pieces_are_the_text_cut_at_lines(text: str, size: int) -> None:
    found = list(pieces(text, size))
    assert "".join(found) == text
    assert all(piece.endswith("\n") for piece in found[:-1])
    assert all(len(piece) > size for piece in found[:-1])
