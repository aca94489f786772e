"""A real Emacs in a terminal: keys as the user's, and questions beside them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.editors import REPOSITORY, installed, until
from tests.e2e.printed import surroundings
from tests.e2e.terminal import Terminal, terminal

DRIVEN = REPOSITORY / "tests" / "e2e" / "emacs" / "driven.el"


class Emacs:
    """An Emacs with the settings of a test; it writes below `home` only."""

    def __init__(self, shown: Terminal, home: Path) -> None:
        self.terminal = shown
        self._socket = str(home / "emacs.sock")

    def ask(self, form: str) -> Any:
        """Return the value of a form in the buffer that is shown."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(self._socket)
            connection.sendall(form.replace("\n", " ").encode() + b"\n")
            answer = json.loads(b"".join(iter(lambda: connection.recv(1 << 16), b"")))
        assert not isinstance(answer, dict) or "error" not in answer, answer["error"]
        return answer

    def keys(self, *keys: str) -> None:
        self.terminal.keys(*keys)

    def command(self, name: str) -> None:
        """Run a command by its name, as the user does."""
        self.keys("M-x")
        self.terminal.type(name)
        self.keys("Enter")

    def lines(self) -> list[str]:
        lines: list[str] = self.ask("(driven-lines)")
        return lines

    def go(self, line: int, column: int = 0) -> None:
        """Move to a place, both from 0, as the user does."""
        self.keys("M-g", "g")
        self.terminal.type(str(line + 1))
        self.keys("Enter", "M-g", "Tab")
        self.terminal.type(str(column))
        self.keys("Enter")

    def quit(self) -> None:
        """Leave as the user does, so that servers are shut down."""
        self.keys("C-x", "C-c")
        assert until(lambda: not self.terminal.running(), 20), self.terminal.screen()


@contextmanager
def emacs(home: Path, file: Path, bundle: Path, settings: str, *programs: Path) -> Iterator[Emacs]:
    """Start Emacs on `file` with `settings` in Lisp; `programs` are folders on its PATH."""
    (home / "init.el").write_text(f";; -*- lexical-binding: t -*-\n{settings}")
    program = installed("emacs") / "emacs"
    listen = f"(driven-on {json.dumps(str(home / 'emacs.sock'))})"
    load = ["-l", str(DRIVEN), "-l", str(home / "init.el")]
    command = [str(program), "-nw", "-Q", *load, "--eval", listen, str(file)]
    with terminal(command, home, surroundings(home, bundle, *programs), file.parent) as shown:
        editor = Emacs(shown, home)
        assert until((home / "emacs.sock").exists, 20), shown.screen()
        yield editor
