"""A real VS Code with the extension of editors/vscode against the real server."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.code_server import Programs, VSCode, install_extension, vscode
from tests.lsp.crates import MOVED, MOVED_LINE, compiles, make_crate, needs_cargo

pytestmark = [pytest.mark.e2e, pytest.mark.slow, needs_cargo]
Open = Callable[..., tuple[VSCode, Path]]

CURSOR = (MOVED_LINE + 1, 17)


@pytest.fixture(scope="module")
def extensions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_extension(Programs.found(), tmp_path_factory.mktemp("extensions"))


@pytest.fixture
def open_crate(extensions: Path, tmp_path: Path, bundle_path: Path) -> Any:
    """Make a crate whose main.rs has a borrow error, and start VS Code on it."""
    with ExitStack() as stack:

        def start(settings: dict[str, Any] | None = None, **more: Any) -> tuple[VSCode, Path]:
            crate = make_crate(tmp_path / "crate", {"src/main.rs": MOVED})
            home = tmp_path / "home"
            log = ["--log-file", str(tmp_path / "server.log"), "--log-level", "debug"]
            all_settings = {
                "m31r.server.path": str(Path(sys.executable).with_name("m31r-lsp")),
                "m31r.server.arguments": [*log, "--model", str(bundle_path)],
                "files.autoSave": "off",
                "workbench.startupEditor": "none",
                "workbench.editor.useModal": "off",
                "chat.disableAIFeatures": True,
                **(settings or {}),
            }
            code = vscode(Programs.found(), home, extensions, crate, all_settings, **more)
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
        ("no_error", 60),
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
    )
    assert not (tmp_path / "server.log").exists()
    code.play(
        ("workbench",),
        ("click", ".part.banner :text('Manage')", 20),
        ("click", ".workspace-trust-editor .monaco-button:has-text('Trust')", 20),
        ("open", "main.rs", *CURSOR),
        ("status", "M31R", 60),
        ("quickfixes", "M31R: ", 120),
        ("take", "M31R: "),
        ("save",),
    )
    assert {file.name for file in crate.iterdir()} == {"Cargo.toml", "src"}
    assert compiles(crate)
