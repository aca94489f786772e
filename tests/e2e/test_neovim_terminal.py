"""Neovim as a user sees it: in a terminal (tmux), with the real server."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.e2e.editors import REPOSITORY, environment, installed, until
from tests.e2e.neovim import VERSIONS, configure, program, server
from tests.e2e.terminal import Terminal

pytestmark = pytest.mark.e2e

LOOKS = """
vim.o.termguicolors = true
vim.o.laststatus = 2
vim.o.statusline = " %f %= %{v:lua.require'm31r'.status()} "
vim.o.swapfile = false
vim.o.hlsearch = false
"""
SEVERAL = re.compile(r" \(\d/\d\)$")
PICTURES = {"0.11": "neovim-0.11-ghost.png", "0.12": "neovim-ghost.png"}


class Screen(Terminal):
    """A terminal whose lines and colours are looked at."""

    def rows(self) -> list[str]:
        return [row.rstrip() for row in self.screen().splitlines()]

    def row(self, begin: str) -> str:
        """The first row that begins with `begin`, blanks before it aside; empty without one."""
        return next((row for row in self.rows() if row.strip().startswith(begin)), "")

    def colours(self) -> str:
        """What is seen, with the escape sequences of its colours."""
        return self._run("capture-pane", "-p", "-e")


@contextmanager
def neovim_on_a_screen(home: Path, version: str, bundle: Path) -> Iterator[tuple[Screen, Path]]:
    """Neovim in a terminal, and the file of a crate that it shows."""
    found = program(version)
    crate = home / "crate"
    shutil.copytree(REPOSITORY / "examples", crate, ignore=shutil.ignore_patterns("target"))
    file = crate / "src" / "lib.rs"
    settings = {"completion": {"min_confidence": 0}}
    configure(home, server(home, bundle), {"settings": settings}, LOOKS)
    start = [found, "-i", "NONE", "-u", str(home / "init.lua"), str(file)]
    screen = Screen(start, home, {**environment(home), "TERM": "xterm-256color"}, crate)
    try:
        yield screen, file
    finally:
        screen.close()


def goes_on(screen: Screen, stem: str) -> bool:
    return len(screen.row(stem).strip()) > len(stem)


@pytest.mark.parametrize("version", VERSIONS)
def test_ghost_text_in_a_terminal(version: str, tmp_path: Path, bundle_path: Path) -> None:
    with neovim_on_a_screen(tmp_path, version, bundle_path) as (screen, file):
        assert until(lambda: any(row.endswith(" M31R") for row in screen.rows()), 30), screen.rows()
        screen.type("/books.insert(")
        screen.keys("Enter")
        screen.type("O")
        stems = ("let old = self.books.", "let other = title.", "let mut lent = Vec::")
        for stem in stems:
            screen.type(stem)
            if until(partial(goes_on, screen, stem), 5):
                break
            screen.keys("C-u")
        assert goes_on(screen, stem), f"no ghost text after any of {stems}"
        # It has a colour of its own, where the terminal shows the typed text in another.
        coloured = next(
            row for row in screen.colours().splitlines() if "self" in row or stem in row
        )
        assert "\x1b[38;2;" in coloured
        picture(screen.colours(), tmp_path, PICTURES[version])

        # Others, and none.
        before = file.read_text("utf-8")
        screen.keys("M-\\")
        if until(lambda: SEVERAL.search(screen.row(stem)), 5):
            first = screen.row(stem)
            screen.keys("M-]")
            assert until(lambda: screen.row(stem) != first, 5), first
            screen.keys("M-[")
            assert until(lambda: screen.row(stem) == first, 5), screen.row(stem)
        screen.keys("C-]")
        assert until(lambda: screen.row(stem).strip() == stem, 5), screen.row(stem)
        screen.keys("M-\\")
        assert until(lambda: screen.row(stem).strip() != stem, 5)
        whole = SEVERAL.sub("", screen.row(stem)).strip()

        # A word, then the rest.
        screen.keys("M-Right")
        assert until(lambda: screen.row(stem).strip() == whole, 5), screen.row(stem)
        screen.keys("Tab")
        assert file.read_text("utf-8") == before
        screen.keys("Escape")
        screen.type(":write")
        screen.keys("Enter")
        assert until(lambda: whole in file.read_text("utf-8"), 5), screen.rows()
        screen.type(":M31R status")
        screen.keys("Enter")
        assert screen.shows("1 accepted"), screen.rows()
        screen.keys("Enter")
        screen.type(":quit")
        screen.keys("Enter")
        counted = [str(Path(sys.executable).with_name("m31r-lsp")), "stats", "--json"]

        def total() -> tuple[int, int]:
            done = subprocess.run(
                counted, env=environment(tmp_path), capture_output=True, text=True, check=True
            )
            counts = json.loads(done.stdout)["total"]
            return counts["accepted"], counts["characters"]

        taken = (1, len(whole) - len(stem))
        assert until(lambda: total() == taken, 10), (total(), taken)


def picture(screen: str, home: Path, name: str) -> None:
    """Photograph what a terminal shows into build/e2e, where the browser is installed."""
    try:
        browser = installed("chromium") / "chromium"
    except pytest.skip.Exception:
        return
    folder = REPOSITORY / "build" / "e2e"
    folder.mkdir(parents=True, exist_ok=True)
    page = home / "screen.html"
    page.write_text(as_html(screen), "utf-8")
    rows = screen.splitlines()
    size = f"--window-size=940,{len(rows) * 20 + 32}"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", size]
    options += [f"--user-data-dir={home / 'browser'}", f"--screenshot={folder / name}"]
    done = subprocess.run(
        [browser, *options, page.as_uri()],
        env=environment(home),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def as_html(screen: str) -> str:
    """A page that looks like a terminal's text with escape sequences for 24-bit colours."""
    body = []
    style: dict[str, str] = {}
    attributes = {1: ("font-weight", "bold"), 3: ("font-style", "italic")}
    for part in re.split(r"(\x1b\[[\d;]*m)", screen):
        if not part.startswith("\x1b["):
            css = ";".join(f"{name}:{value}" for name, value in style.items())
            body.append(f'<span style="{css}">{html.escape(part)}</span>')
            continue
        codes = [int(code or 0) for code in part[2:-1].split(";")]
        while codes:
            code = codes.pop(0)
            if code == 0:
                style.clear()
            elif code in (38, 48) and codes[:1] == [2]:
                name = "color" if code == 38 else "background"
                style[name] = "rgb({},{},{})".format(*codes[1:4])
                del codes[:4]
            elif code in (39, 49):
                style.pop("color" if code == 39 else "background", None)
            elif code in attributes:
                style.update([attributes[code]])
    return (
        "<!doctype html><meta charset=utf-8><style>body{margin:16px;background:#14161b;"
        "color:#e0e2ea}pre{margin:0;font:15px/20px 'DejaVu Sans Mono',monospace}</style><pre>"
        + "".join(body)
        + "</pre>"
    )
