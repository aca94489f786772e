"""A real Helix, with the settings that editors/README.md prints, against the real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e.editors import installed, until
from tests.e2e.library import STEMS, library, project
from tests.e2e.printed import printed, surroundings
from tests.e2e.terminal import Terminal, terminal
from tests.lsp.crates import MOVED, MOVED_LINE, compiles, make_crate, needs_cargo

pytestmark = pytest.mark.e2e

(SETTINGS,) = printed("Helix", "toml")


@contextmanager
def helix(
    home: Path, crate: Path, place: str, bundle: Path, *programs: Path, settings: str = SETTINGS
) -> Iterator[Terminal]:
    """Start Helix in a crate, at FILE:LINE:COLUMN; `programs` are folders on its PATH."""
    folder = home / "config" / "helix"
    folder.mkdir(parents=True)
    (folder / "languages.toml").write_text(settings)
    # What servers and Helix say to each other.
    command = [str(installed("helix") / "hx"), "-v", "--log", str(home / "hx.log"), place]
    with terminal(command, home, surroundings(home, bundle, *programs), crate) as editor:
        assert until(lambda: '"capabilities"' in said(home, "m31r <-"), 30), editor.screen()
        yield editor


def said(home: Path, direction: str) -> str:
    """What went to or from a server, by `NAME ->` or `NAME <-`."""
    log = home / "hx.log"
    lines = log.read_text().splitlines() if log.exists() else []
    return "\n".join(line for line in lines if direction in line)


def run(editor: Terminal, command: str) -> None:
    """Run one of Helix's commands."""
    if " NOR " not in editor.screen():
        # Escape and a key right behind it would be Alt and that key.
        editor.keys("Escape")
        assert editor.shows(" NOR "), editor.screen()
    editor.type(f":{command}")
    editor.keys("Enter")


def test_an_item_of_the_menu_is_taken(tmp_path: Path, bundle_path: Path) -> None:
    place = library(tmp_path / "crate")
    with helix(
        tmp_path, place.crate, f"src/lib.rs:{place.line + 1}:1", bundle_path, settings=ALONE
    ) as editor:
        editor.keys("o")
        for stem in STEMS:
            editor.type(stem)
            if until(lambda: '"items": [{' in said(tmp_path, "m31r <-"), 5):
                break
            editor.keys("C-u")
        assert editor.shows(" text "), "no menu is shown"
        editor.keys("C-n")
        assert editor.shows("M31R"), "the item does not say whose it is"
        editor.keys("Enter")
        run(editor, "write")
        assert until(lambda: stem in place.file.read_text(), 10), editor.screen()
        line = next(each for each in place.file.read_text().splitlines() if stem in each)
        assert line.strip() != stem

        # What the server can do is at hand.
        run(editor, "lsp-workspace-command m31r.toggle")
        off = '"enabled": false'
        assert until(lambda: off in said(tmp_path, "m31r <-"), 20), editor.screen()


ALONE = SETTINGS.replace('"rust-analyzer", ', "")


@needs_cargo
@pytest.mark.slow
def test_an_error_that_rust_analyzer_shows_is_fixed(tmp_path: Path, bundle_path: Path) -> None:
    crate = project(make_crate(tmp_path / "crate", {"src/main.rs": MOVED}))
    file = crate / "src" / "main.rs"
    analyzer = installed("rust-analyzer")
    place = f"src/main.rs:{MOVED_LINE + 1}:17"
    with helix(tmp_path, crate, place, bundle_path, analyzer) as editor:
        assert editor.shows("borrow of moved value", 60)
        for _ in range(3):
            editor.keys("Space", "a")
            if editor.shows("M31R: ", 12):
                break
        assert "M31R: " in editor.screen()
        editor.keys("Enter")
        assert editor.shows("[+]"), editor.screen()
        run(editor, "write")
        assert until(lambda: file.read_text() != MOVED, 10)
        assert until(lambda: "borrow of moved" not in editor.screen(), 60), "it is still shown"
    assert compiles(crate)


@needs_cargo
def test_nothing_is_fixed_where_the_settings_say_that_nothing_is_trusted(
    tmp_path: Path, bundle_path: Path
) -> None:
    crate = project(make_crate(tmp_path / "crate", {"src/main.rs": MOVED}))
    settings = ALONE.replace("trusted = true", "trusted = false")
    place = f"src/main.rs:{MOVED_LINE + 1}:17"
    with helix(tmp_path, crate, place, bundle_path, settings=settings) as editor:
        editor.keys("Space", "a")
        assert editor.shows("No code actions available")

        def status() -> str:
            run(editor, "lsp-workspace-command m31r.status")
            return said(tmp_path, "m31r <-")

        assert until(lambda: "not trusted" in status(), 30)
