"""Processes around the server: another server of the same editor, and what we started ourselves.

Both are read from /proc; where there is none, nothing is known of either.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_NAME = "rust-analyzer"
_PROC = Path("/proc")


@dataclass(frozen=True)
class _Process:
    pid: int
    parent: int
    name: str


def rust_analyzer_runs(editor: int | None, proc: Path = _PROC) -> bool | None:
    """Say whether a process of that name descends from the process `editor`, or is it.

    None where it cannot be known: without /proc, or when the editor is not on this machine.
    """
    if editor is None or not (proc / str(editor)).is_dir():
        return None
    processes = list(_processes(proc))
    parents = {each.pid: each.parent for each in processes}
    return any(
        _descends(each.pid, editor, parents) for each in processes if each.name.startswith(_NAME)
    )


def end_children(proc: Path = _PROC) -> None:
    """Kill what this process started, cargo and rustc, each with its process group."""
    for each in _processes(proc):
        if each.parent == os.getpid():
            with contextlib.suppress(OSError):
                if os.getpgid(each.pid) == each.pid:
                    os.killpg(each.pid, signal.SIGKILL)
                else:
                    os.kill(each.pid, signal.SIGKILL)


def _processes(proc: Path) -> Iterator[_Process]:
    for folder in proc.iterdir() if proc.is_dir() else ():
        if not folder.name.isdecimal():
            continue
        try:
            line = (folder / "stat").read_text("utf-8", "replace")
        except OSError:  # it ended meanwhile
            continue
        # "PID (NAME) STATE PARENT ...", where NAME may hold anything, and is cut at 15 characters.
        name, _, rest = line.partition("(")[2].rpartition(")")
        yield _Process(int(folder.name), int(rest.split()[1]), name)


def _descends(process: int, ancestor: int, parents: dict[int, int]) -> bool:
    seen = set()
    while process in parents and process not in seen:
        if process == ancestor:
            return True
        seen.add(process)
        process = parents[process]
    return False
