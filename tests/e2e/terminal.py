"""A terminal without a window: keys go in, what a user would see comes out."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.editors import installed, until


class Terminal:
    """A program in a terminal of its own, of 100 columns and 30 rows."""

    def __init__(
        self, command: Sequence[str], home: Path, variables: Mapping[str, str], where: Path
    ) -> None:
        self._tmux = [str(installed("tmux") / "tmux"), "-S", str(home / "tmux.sock"), "-f/dev/null"]
        shell = f"{shlex.join(command)} 2>{shlex.quote(str(home / 'stderr'))}"
        size = ["-x", "100", "-y", "30", "-c", str(where)]
        self._variables = {**variables, "LC_ALL": "C.UTF-8", "SHELL": "/bin/sh"}
        self._run("new-session", "-d", *size, f"exec {shell}", ";", "set", "-g", "escape-time", "0")

    def keys(self, *keys: str) -> None:
        """Press keys by tmux's names, such as Enter, Escape, C-x and M-x."""
        self._run("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type `text` as it stands."""
        self._run("send-keys", "-l", "--", text)

    def screen(self) -> str:
        """Return what is seen; nothing once the program has ended."""
        return self._run("capture-pane", "-p", check=False)

    def shows(self, text: str, seconds: float = 20) -> bool:
        """Whether `text` comes to be seen within `seconds`."""
        return until(lambda: text in self.screen(), seconds)

    def running(self) -> bool:
        """Whether the program has not ended."""
        return bool(self._run("list-panes", check=False))

    def close(self) -> None:
        """End the program, whatever it does."""
        self._run("kill-server", check=False)

    def _run(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            [*self._tmux, *words],
            env=self._variables,
            capture_output=True,
            text=True,
            timeout=20,
            check=check,
        )
        return done.stdout


@contextmanager
def terminal(
    command: Sequence[str], home: Path, variables: Mapping[str, str], where: Path
) -> Iterator[Terminal]:
    """Run `command` in the folder `where`; what it says on stderr is in `stderr` in `home`."""
    shown = Terminal(command, home, variables, where)
    try:
        yield shown
    finally:
        shown.close()
