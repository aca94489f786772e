"""A real VS Code with the extension of editors/vscode against the real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.code_server import Programs, Step, VSCode, install_extension, vscode
from tests.e2e.editors import REPOSITORY, environment, until
from tests.lsp.crates import MOVED, MOVED_LINE, compiles, make_crate, needs_cargo

pytestmark = [pytest.mark.e2e, pytest.mark.slow, needs_cargo]
Open = Callable[..., AbstractContextManager[tuple[VSCode, Path]]]

SERVER = Path(sys.executable).with_name("m31r-lsp")
CURSOR = (MOVED_LINE + 1, 17)
LIBRARY = (REPOSITORY / "examples" / "src" / "lib.rs").read_text()
LINE = next(i for i, each in enumerate(LIBRARY.splitlines(), 1) if "books.insert(" in each)
FRESH: tuple[Step, ...] = (("go", LINE, 1), ("press", "Control+Enter"))
ASK: tuple[Step, ...] = (*FRESH, ("type", "let old = self.books.i"), ("ghost", 30))


@pytest.fixture(scope="module")
def extensions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_extension(Programs.found(), tmp_path_factory.mktemp("extensions"))


@pytest.fixture(scope="module")
def open_crate(extensions: Path, bundle_path: Path) -> Open:
    """Make a crate of `text` in `folder` and start VS Code on it."""

    @contextmanager
    def start(
        folder: Path, text: str, own: dict[str, Any] | None = None, **more: Any
    ) -> Iterator[tuple[VSCode, Path]]:
        crate = make_crate(folder / "crate", {"src/main.rs": text})
        log = ["--log-file", str(folder / "server.log"), "--log-level", "debug"]
        settings = {
            "m31r.server.path": str(SERVER),
            "m31r.server.arguments": [*log, "--model", str(bundle_path)],
            "files.autoSave": "off",
            "workbench.startupEditor": "none",
            "workbench.editor.useModal": "off",
            "workbench.secondarySideBar.defaultVisibility": "hidden",
            "chat.disableAIFeatures": True,
            # Whatever the model says: these tests are not about its wit.
            "m31r.completion.min_confidence": 0,
            # Where the menu is open there is no ghost text.
            "m31r.completion.menu_item": False,
            "editor.wordBasedSuggestions": "off",
            "editor.fontFamily": "'DejaVu Sans Mono', monospace",
            "editor.minimap.enabled": False,
            # As HTML, so that its text can be read.
            "terminal.integrated.gpuAcceleration": "off",
            **(own or {}),
        }
        home = folder / "home"
        with vscode(Programs.found(), home, extensions, crate, settings, **more) as code:
            yield code, crate

    return start


@pytest.fixture(scope="module")
def shared(
    open_crate: Open, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[VSCode, Path]]:
    """A VS Code that several tests share, with a server that is ready, and the open file."""
    with open_crate(tmp_path_factory.mktemp("library"), LIBRARY) as (code, crate):
        code.play(("open", str(crate / "src/main.rs"), LINE, 1), ("says", "is ready", 60))
        yield code, crate / "src" / "main.rs"


@pytest.fixture
def library(shared: tuple[VSCode, Path]) -> tuple[VSCode, Path]:
    """The same with the text that it had at first."""
    code, file = shared
    file.write_text(LIBRARY)
    tab = ".tab:has-text('main.rs')"
    code.play(("press", "Escape"), ("click", tab, 10), ("command", "Revert File"))
    return shared


def test_a_borrow_error_is_fixed_with_the_action(open_crate: Open, tmp_path: Path) -> None:
    with open_crate(tmp_path, MOVED) as (code, crate):
        assert not compiles(crate)
        answers = code.play(
            ("open", str(crate / "src/main.rs"), *CURSOR),
            ("says", "is ready", 60),
            ("save",),
            ("shows", ".squiggly-error", 120),
            ("lightbulb", 60),
            ("quickfixes", "M31R: ", 120),
            ("screenshot", "vscode-actions", 0, 270),
            ("take", "M31R: "),
            ("save",),
            ("gone", ".squiggly-error", 60),
            ("screenshot", "vscode-fixed"),
        )
    titles = answers["quickfixes"]
    assert any(title.startswith("M31R: ") and "checked" in title for title in titles)
    assert (crate / "src/main.rs").read_text() != MOVED
    assert compiles(crate)
    assert not (crate / "target").exists()


def test_nothing_runs_until_the_workspace_is_trusted(open_crate: Open, tmp_path: Path) -> None:
    with open_crate(tmp_path, MOVED, trust=False) as (code, crate):
        code.play(
            ("open", str(crate / "src/main.rs"), *CURSOR),
            ("status", "Restricted Mode", 20),
            ("says", "waits until the workspace is trusted", 20),
            ("press", "Control+."),
            ("save",),
            ("screenshot", "vscode-untrusted"),
            ("absent", str(tmp_path / "server.log")),
            ("click", ".part.banner :text('Manage')", 20),
            ("click", ".workspace-trust-editor .monaco-button:has-text('Trust')", 20),
            ("gone", ".statusbar-item:has-text('Restricted Mode')", 30),
            ("click", ".tab:has-text('main.rs')", 20),
            ("says", "is ready", 60),
            ("quickfixes", "M31R: ", 120),
            ("take", "M31R: "),
            ("save",),
        )
        assert {file.name for file in crate.iterdir()} == {"Cargo.toml", "src"}
        assert compiles(crate)


def test_ghost_text_is_shown_accepted_and_counted(library: tuple[VSCode, Path]) -> None:
    code, file = library
    answers = code.play(
        *ASK,
        ("screenshot", "vscode-ghost", 170, 440),
        ("press", "Tab"),
        ("save",),
        ("menu", "Statistics"),
        ("dialog", 10),
    )
    ghost = answers["ghost"]
    assert ghost
    (typed,) = set(file.read_text().splitlines()) - set(LIBRARY.splitlines())
    assert typed.strip() == f"let old = self.books.i{ghost}"
    assert f"accepted: 1, {len(ghost)} characters" in answers["dialog"]
    assert "still there when the file was saved: 1" in answers["dialog"]

    # They are written down when the server ends.
    code.play(("menu", "Restart the server"), ("says", "is ready", 60))
    assert counted(code)["accepted"] == 1


def counted(code: VSCode) -> dict[str, int]:
    """What `m31r-lsp stats` says in the shell of the one whose VS Code it is."""
    done = subprocess.run(
        [SERVER, "stats", "--json"],
        env=environment(code.home),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    total: dict[str, int] = json.loads(done.stdout)["total"]
    return total


def test_the_menu_switches_ghost_text_off_and_on(library: tuple[VSCode, Path]) -> None:
    code, _ = library
    off = code.play(("menu", "Switch ghost text off"), ("says", "M31R is off", 20))
    assert any("Run the doctor" in entry for entry in off["menu"])
    code.play(("menu", "Switch ghost text on"), ("says", "is ready", 20), *ASK)


def test_the_status_bar_says_why_it_is_silent(library: tuple[VSCode, Path]) -> None:
    code, _ = library
    code.play(
        *FRESH,
        ("type", "// how many of the"),
        ("says", "the cursor is in a comment", 20),
        ("screenshot", "vscode-silent"),
        ("menu", "Status"),
    )
    text = code.play(("dialog", 10))["dialog"]
    assert "the latest silence: the cursor is in a comment" in text
    assert str(SERVER) in text


def test_settings_hold_at_once(library: tuple[VSCode, Path]) -> None:
    code, _ = library
    (server,) = code.language_servers()
    code.configure({"m31r.completion.enabled": False})
    code.play(("says", "completion.enabled is false", 20))
    code.configure({"m31r.completion.enabled": True})
    code.play(("gone", "[aria-label*='is off']", 20), *ASK)
    assert code.language_servers() == [server]


def test_the_walkthrough_knows_what_was_done(library: tuple[VSCode, Path]) -> None:
    code, _ = library
    code.play(*ASK, ("press", "Tab"), ("command", "M31R: Open the walkthrough"))
    code.play(
        ("shows", "[aria-label='Have a server: Completed']", 20),
        ("shows", "[aria-label='Take a first suggestion: Completed']", 20),
        ("shows", "[aria-label='Take a first checked fix: Not completed']", 20),
        ("screenshot", "vscode-walkthrough"),
    )


def test_a_killed_server_comes_back(library: tuple[VSCode, Path]) -> None:
    code, _ = library
    (killed,) = code.language_servers()
    killed.kill()
    assert until(lambda: set(code.language_servers()) - {killed}, 60)
    code.play(("says", "is ready", 60), *ASK)


def test_restarts_in_a_row_leave_one_server(library: tuple[VSCode, Path]) -> None:
    code, _ = library
    (before,) = code.language_servers()
    code.play(*[("command", "M31R: Restart the server")] * 2)
    assert until(lambda: len(set(code.language_servers()) - {before}) == 1, 60)
    code.play(("says", "is ready", 60))
    assert until(lambda: len(code.language_servers()) == 1, 60)


def test_the_doctor_runs_in_a_terminal(library: tuple[VSCode, Path]) -> None:
    code, _ = library
    code.play(
        ("menu", "Run the doctor"), ("terminal", "rustc", 60), ("screenshot", "vscode-doctor")
    )


def test_a_missing_server_is_installed_when_asked_for(
    open_crate: Open, tmp_path: Path, bundle_path: Path
) -> None:
    arguments = ["--model", str(bundle_path)]
    own = {
        "m31r.server.path": None,
        "m31r.server.arguments": arguments,
        "m31r.server.package": str(wheel_of(SERVER, tmp_path)),
    }
    variables = {"PATH": path_without_server(tmp_path / "bin"), "PIP_NO_INDEX": "1"}
    with open_crate(tmp_path, LIBRARY, own, variables=variables) as (code, crate):
        answers = code.play(
            ("open", str(crate / "src/main.rs"), LINE, 1),
            ("message", "m31r-lsp is not on PATH", 30),
            ("says", "the server is not installed", 20),
            ("screenshot", "vscode-missing"),
            ("click", ".notifications-toasts .monaco-button:has-text('Install')", 10),
            ("says", "is ready", 120),
            *ASK,
        )
        assert answers["message"] == ["Install", "Open Settings", "Walkthrough"]
        assert len(code.language_servers()) == 1

        # A path that leads nowhere is no reason to take another server.
        code.configure({"m31r.server.path": str(tmp_path / "no-such-server")})
        code.play(("message", "no-such-server", 20), ("says", "there is no server", 20))
        assert until(lambda: not code.language_servers(), 20)


def wheel_of(program: Path, folder: Path) -> Path:
    """A wheel whose m31r-lsp becomes `program`."""
    info = "m31r_here-1.dist-info"
    files = {
        "m31r_here.py": f"import os, sys\ndef main(): os.execv({str(program)!r}, sys.argv)\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: m31r-here\nVersion: 1\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nm31r-lsp = m31r_here:main\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    wheel = folder / "m31r_here-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)
    return wheel


def path_without_server(folder: Path) -> str:
    """PATH without the folders that have an m31r-lsp, and with the Python that runs this."""
    folder.mkdir()
    (folder / "python3").symlink_to(Path(sys._base_executable).resolve())  # type: ignore[attr-defined]
    node = Programs.found().node.parent
    others = os.environ["PATH"].split(os.pathsep)
    left = [each for each in others if not (Path(each) / "m31r-lsp").exists()]
    return os.pathsep.join([str(node), str(folder), *left])


def test_the_parts_that_need_no_editor() -> None:
    programs = Programs.found()
    folder = REPOSITORY / "editors" / "vscode"
    build = [str(programs.node), str(folder / "scripts" / "bundle.mjs"), "test"]
    subprocess.run(build, cwd=folder, check=True)
    tests = sorted((folder / "dist" / "test").glob("*.test.js"))
    assert tests
    command = [str(programs.node), "--test", *map(str, tests)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
