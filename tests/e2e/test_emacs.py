"""A real Emacs, with the settings that editors/README.md prints, against the real server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.editors import environment, installed, until
from tests.e2e.emacs.driver import Emacs, emacs
from tests.e2e.library import STEMS, TALKATIVE, library, project
from tests.e2e.printed import printed
from tests.lsp.crates import MOVED, MOVED_LINE, compiles, make_crate, needs_cargo

pytestmark = pytest.mark.e2e

LSP_MODE, EGLOT = printed("Emacs", "elisp")
ALONE = "(setq lsp-disabled-clients '(rust-analyzer rls))\n"
"""For lsp-mode: no other server of Rust's that may be on PATH."""

READY = """
(and (fboundp 'lsp-workspaces)
     (vconcat (mapcar (lambda (each)
                        (and (eq (lsp--workspace-status each) 'initialized)
                             (symbol-name (lsp--client-server-id (lsp--workspace-client each)))))
                      (lsp-workspaces))))
"""
STATUS = "(vconcat (delq nil (mapcar #'lsp--workspace-status-string (lsp-workspaces))))"
SOURCES = """
(vconcat (mapcar (lambda (each) (lsp-get each :source))
                 (gethash (buffer-file-name) (lsp-diagnostics))))
"""
GHOST = """
(and lsp-inline-completion--overlay
     (overlay-get lsp-inline-completion--overlay 'after-string))
"""
CHOICES = """
(let ((window (active-minibuffer-window)))
  (and window
       (with-selected-window window
         (vconcat (all-completions "" minibuffer-completion-table
                                   minibuffer-completion-predicate)))))
"""
MESSAGES = '(with-current-buffer "*Messages*" (buffer-string))'
FLYMAKE = "(vconcat (mapcar #'flymake-diagnostic-text (flymake-diagnostics)))"


def ready(editor: Emacs, *servers: str) -> None:
    """Import the crate as lsp-mode asks for, and wait for the servers."""
    assert editor.terminal.shows("Select action:"), editor.terminal.screen()
    editor.keys("i")
    assert until(lambda: set(editor.ask(READY) or ()) == set(servers), 30), editor.ask(MESSAGES)


def act(editor: Emacs, command: str, beginning: str = "M31R: ") -> None:
    """Ask for code actions with a command and take the first one with such a title.

    Where there is only one, it may be taken unasked. The first answer in a crate may be empty,
    because it is still being compiled.
    """
    before = editor.lines()

    def choices() -> list[str]:
        offered: list[str] = editor.ask(CHOICES) or []
        return [each for each in offered if each.startswith(beginning)]

    for _ in range(3):
        editor.command(command)
        if until(lambda: choices() or editor.lines() != before, 12):
            for title in choices()[:1]:
                editor.terminal.type(title)
                editor.keys("Enter")
            assert until(lambda: editor.lines() != before, 10), editor.ask(MESSAGES)
            return
        editor.keys("C-g")
    pytest.fail(f"no action is offered:\n{editor.ask(MESSAGES)}")


def saved(editor: Emacs, file: Path) -> str:
    """Save the buffer and return what stands on the disk."""
    editor.keys("C-x", "C-s")
    assert until(lambda: file.read_text() == "\n".join(editor.lines()), 10), file.read_text()
    return file.read_text()


def counted(home: Path) -> Any:
    """What `m31r-lsp stats` says of the sessions in `home`."""
    program = Path(sys.executable).with_name("m31r-lsp")
    command = [str(program), "stats", "--json"]
    return json.loads(subprocess.check_output(command, env=environment(home), text=True))


def write_on(editor: Emacs, line: int, shown: str) -> tuple[str, Any]:
    """Begin statements behind a line until the form `shown` has a value; return both."""
    editor.go(line)
    editor.keys("C-e", "Enter")
    for stem in STEMS:
        editor.terminal.type(stem)
        if found := until(lambda: editor.ask(shown), 5):
            return stem, found
        editor.keys("C-a", "C-k")
    pytest.fail(f"nothing is said after any of {STEMS}")


def test_lsp_mode_shows_ghost_text_takes_it_and_counts_it(
    tmp_path: Path, bundle_path: Path
) -> None:
    place = library(tmp_path / "crate")
    with emacs(tmp_path, place.file, bundle_path, ALONE + LSP_MODE) as editor:
        ready(editor, "m31r")
        assert until(lambda: "is ready" in "".join(editor.ask(STATUS)), 20), editor.ask(STATUS)
        stem, ghost = write_on(editor, place.line, GHOST)
        first = (stem + ghost).splitlines()[0]
        assert editor.terminal.shows(first), "the ghost text is not seen"
        assert editor.ask("(thing-at-point 'line t)").strip() == stem
        editor.keys("Tab")
        assert until(lambda: editor.ask(GHOST) is None, 5)
        assert first in saved(editor, place.file)
        editor.quit()
    assert counted(tmp_path)["total"]["accepted"] == 1
    assert counted(tmp_path)["total"]["kept"] == 1


@needs_cargo
def test_lsp_mode_fixes_an_error_that_m31r_shows(tmp_path: Path, bundle_path: Path) -> None:
    crate = project(make_crate(tmp_path / "crate", {"src/main.rs": MOVED}))
    file = crate / "src" / "main.rs"
    with emacs(tmp_path, file, bundle_path, ALONE + LSP_MODE) as editor:
        ready(editor, "m31r")
        editor.go(0)
        editor.keys("C-e", "Space", "C-x", "C-s")
        assert until(lambda: "m31r" in editor.ask(SOURCES), 60), "no error is shown after a save"
        editor.go(MOVED_LINE, 16)
        act(editor, "lsp-execute-code-action")
        saved(editor, file)
        assert until(lambda: editor.ask(SOURCES) in (None, []), 60), "the error is still shown"
    assert compiles(crate)


@needs_cargo
def test_lsp_mode_fixes_the_whole_crate(tmp_path: Path, bundle_path: Path) -> None:
    twice = MOVED + MOVED.replace("length", "size").replace("main", "again")
    crate = project(make_crate(tmp_path / "crate", {"src/main.rs": twice}))
    file = crate / "src" / "main.rs"
    with emacs(tmp_path, file, bundle_path, ALONE + LSP_MODE) as editor:
        ready(editor, "m31r")
        act(editor, "lsp-fix-all")
        saved(editor, file)
    assert compiles(crate)


@needs_cargo
@pytest.mark.slow
def test_lsp_mode_runs_it_beside_rust_analyzer(tmp_path: Path, bundle_path: Path) -> None:
    crate = project(make_crate(tmp_path / "crate", {"src/main.rs": MOVED, **TALKATIVE}))
    file = crate / "src" / "main.rs"
    analyzer = installed("rust-analyzer")
    with emacs(tmp_path, file, bundle_path, LSP_MODE, analyzer) as editor:
        ready(editor, "m31r", "rust-analyzer")
        assert until(lambda: "rustc" in editor.ask(SOURCES), 60), "rust-analyzer shows no error"
        assert "m31r" not in editor.ask(SOURCES), "the error is shown twice"
        editor.go(MOVED_LINE, 16)
        act(editor, "lsp-execute-code-action")
        saved(editor, file)
        assert until(lambda: editor.ask(SOURCES) in (None, []), 60), "the error is still shown"
        assert compiles(crate)

        # Neither is in the way of the other's actions.
        editor.go(0)
        act(editor, "lsp-execute-code-action", "Change visibility")
        assert saved(editor, file).startswith("pub")
        # There is ghost text, and what was not taken leaves nothing behind.
        stem, ghost = write_on(editor, MOVED_LINE - 2, GHOST)
        assert editor.terminal.shows((stem + ghost).splitlines()[0])
        editor.keys("C-g")
        assert until(lambda: editor.ask(GHOST) is None, 5)
        assert f"{stem}\n" in saved(editor, file)

        said = editor.ask(MESSAGES).lower()
        for trouble in ("error processing", "exited", "unknown notif", "has failed", "timeout"):
            assert trouble not in said, said
        editor.quit()


@needs_cargo
def test_lsp_mode_writes_what_is_left_to_be_written(tmp_path: Path, bundle_path: Path) -> None:
    text = """\
pub enum Side {
    Left,
    Right,
}

pub fn sign(side: Side) -> i32 {
    match side {
        Side::Left => -1,
    }
}
"""
    crate = project(make_crate(tmp_path / "crate", {"src/lib.rs": text}))
    with emacs(tmp_path, crate / "src/lib.rs", bundle_path, ALONE + LSP_MODE) as editor:
        ready(editor, "m31r")
        editor.go(6, 8)
        act(editor, "m31r-write")
        assert "Side::Right =>" in "\n".join(editor.lines())


def test_lsp_mode_is_told_that_the_workspace_is_not_trusted(
    tmp_path: Path, bundle_path: Path
) -> None:
    place = library(tmp_path / "crate")
    settings = ALONE + LSP_MODE.replace(":trusted t", ":trusted :json-false")
    with emacs(tmp_path, place.file, bundle_path, settings) as editor:
        ready(editor, "m31r")
        assert until(lambda: "not trusted" in "".join(editor.ask(STATUS)), 20), editor.ask(STATUS)


CONNECTED = "(and (fboundp 'eglot-current-server) (eglot-current-server) t)"


@needs_cargo
def test_eglot_fixes_an_error(tmp_path: Path, bundle_path: Path) -> None:
    crate = project(make_crate(tmp_path / "crate", {"src/main.rs": MOVED}))
    file = crate / "src" / "main.rs"
    with emacs(tmp_path, file, bundle_path, EGLOT) as editor:
        assert until(lambda: editor.ask(CONNECTED), 20), editor.ask(MESSAGES)
        editor.go(0)
        editor.keys("C-e", "Space", "C-x", "C-s")
        shown = "borrow of moved value"
        assert until(lambda: shown in "".join(editor.ask(FLYMAKE)), 60), "no error is shown"
        editor.go(MOVED_LINE, 16)
        act(editor, "eglot-code-actions")
        saved(editor, file)
        assert until(lambda: editor.ask(FLYMAKE) == [], 60), "the error is still shown"
    assert compiles(crate)


CAPF = """
(and (eglot-current-server)
     (let ((found (eglot-completion-at-point)))
       (and found (vconcat (all-completions "" (nth 2 found))))))
"""


def test_eglot_completes(tmp_path: Path, bundle_path: Path) -> None:
    place = library(tmp_path / "crate")
    with emacs(tmp_path, place.file, bundle_path, EGLOT) as editor:
        assert until(lambda: editor.ask(CONNECTED), 20), editor.ask(MESSAGES)
        stem, (item, *_) = write_on(editor, place.line, CAPF)
        editor.keys("C-M-i")
        assert until(lambda: stem + item in "\n".join(editor.lines()), 10), editor.lines()
        assert stem + item in saved(editor, place.file)


ASKED = """
(plist-get (jsonrpc-request (eglot-current-server) :workspace/executeCommand
                            '(:command "m31r.status" :arguments []))
           :message)
"""


def test_eglot_tells_that_the_workspace_is_not_trusted(tmp_path: Path, bundle_path: Path) -> None:
    place = library(tmp_path / "crate")
    settings = EGLOT.replace(":trusted t", ":trusted :json-false")
    with emacs(tmp_path, place.file, bundle_path, settings) as editor:
        assert until(lambda: editor.ask(CONNECTED), 20), editor.ask(MESSAGES)
        assert until(lambda: "not trusted" in editor.ask(ASKED), 20), editor.ask(ASKED)
