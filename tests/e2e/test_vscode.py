"""A real VS Code with the extension of editors/vscode against the real server."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.code_server import Programs, VSCode, install_extension, vscode
from tests.e2e.editors import REPOSITORY
from tests.lsp.crates import MOVED, MOVED_LINE, compiles, make_crate, needs_cargo

pytestmark = [pytest.mark.e2e, pytest.mark.slow, needs_cargo]
Open = Callable[..., tuple[VSCode, Path]]

CURSOR = (MOVED_LINE + 1, 17)


@pytest.fixture(scope="module")
def extensions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_extension(Programs.found(), tmp_path_factory.mktemp("extensions"))


@pytest.fixture
def open_crate(extensions: Path, tmp_path: Path, bundle_path: Path) -> Any:
    """Make a crate of `text`, a borrow error unless told, and start VS Code on it."""
    with ExitStack() as stack:

        def start(text: str = MOVED, **more: Any) -> tuple[VSCode, Path]:
            crate = make_crate(tmp_path / "crate", {"src/main.rs": text})
            home = tmp_path / "home"
            log = ["--log-file", str(tmp_path / "server.log"), "--log-level", "debug"]
            settings = {
                "m31r.server.path": str(Path(sys.executable).with_name("m31r-lsp")),
                "m31r.server.arguments": [*log, "--model", str(bundle_path)],
                "files.autoSave": "off",
                "workbench.startupEditor": "none",
                "workbench.editor.useModal": "off",
                "chat.disableAIFeatures": True,
                # Whatever the model says: these tests are not about its wit.
                "m31r.completion.min_confidence": 0,
                # Where the menu is open there is no ghost text.
                "m31r.completion.menu_item": False,
                "editor.wordBasedSuggestions": "off",
            }
            code = vscode(Programs.found(), home, extensions, crate, settings, **more)
            return stack.enter_context(code), crate

        yield start


def test_a_borrow_error_is_fixed_with_the_action(open_crate: Open) -> None:
    code, crate = open_crate()
    assert not compiles(crate)
    answers = code.play(
        ("workbench",),
        ("open", "main.rs", *CURSOR),
        ("status", "M31R", 60),
        ("save",),
        ("error", 120),
        ("lightbulb", 60),
        ("quickfixes", "M31R: ", 120),
        ("screenshot", "vscode-actions"),
        ("take", "M31R: "),
        ("save",),
        ("gone", ".squiggly-error", 60),
        ("screenshot", "vscode-fixed"),
    )
    assert any(title.startswith("M31R: ") and "checked" in title for title in answers["quickfixes"])
    assert (crate / "src/main.rs").read_text() != MOVED
    assert compiles(crate)
    assert not (crate / "target").exists()


def test_nothing_runs_until_the_workspace_is_trusted(open_crate: Open, tmp_path: Path) -> None:
    code, crate = open_crate(trust=False)
    code.play(
        ("workbench",),
        ("status", "Restricted Mode", 20),
        ("open", "main.rs", *CURSOR),
        ("press", "Control+."),
        ("save",),
        ("screenshot", "vscode-untrusted"),
        ("absent", str(tmp_path / "server.log")),
        ("click", ".part.banner :text('Manage')", 20),
        ("click", ".workspace-trust-editor .monaco-button:has-text('Trust')", 20),
        ("gone", ".statusbar-item:has-text('Restricted Mode')", 30),
        ("click", ".tab:has-text('main.rs')", 20),
        ("status", "M31R", 60),
        ("quickfixes", "M31R: ", 120),
        ("take", "M31R: "),
        ("save",),
    )
    assert {file.name for file in crate.iterdir()} == {"Cargo.toml", "src"}
    assert compiles(crate)


def test_ghost_text_is_shown_and_accepted(open_crate: Open) -> None:
    text = (REPOSITORY / "examples" / "src" / "lib.rs").read_text()
    line = next(i for i, each in enumerate(text.splitlines(), 1) if "books.insert(" in each)
    code, crate = open_crate(text)
    answers = code.play(
        ("workbench",),
        ("open", "main.rs", line, 1),
        ("status", "M31R", 60),
        ("press", "Control+Enter"),
        ("type", "let old = self.bo"),
        ("ghost", 30),
        ("screenshot", "vscode-ghost"),
        ("press", "Tab"),
        ("save",),
    )
    ghost = answers["ghost"]
    assert ghost
    (typed,) = set((crate / "src/main.rs").read_text().splitlines()) - set(text.splitlines())
    assert typed.strip() == f"let old = self.bo{ghost}"
