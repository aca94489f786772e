"""Hold the limits that the kernel has no number for: all memory, all processes, all of a folder."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from m31r_core.cargo.bounded import Limit

_DISK_EVERY = 0.1


@dataclass
class Ceiling:
    """What a process and all below it may hold at any moment; `folder` is where they write.

    A folder is looked at ten times a second, and less often when looking takes long: at most a
    twentieth of the time goes into it.
    """

    processes: int
    memory_bytes: int
    folder: Path | None
    disk_bytes: int
    disk_files: int
    _next_disk: float = field(default=0.0, repr=False)

    def met(self, pid: int) -> Limit | None:
        """Return the limit that process `pid` and those below it are over, if any."""
        threads, resident = _usage(pid)
        # Those of the wrapper itself come on top.
        if threads > self.processes + 8:
            return "processes"
        if resident > self.memory_bytes:
            return "memory"
        start = time.monotonic()
        if self.folder is not None and start >= self._next_disk:
            too_much = self._disk(self.folder)
            now = time.monotonic()
            self._next_disk = now + max(_DISK_EVERY, 20 * (now - start))
            if too_much:
                return "disk"
        return None

    def _disk(self, folder: Path) -> bool:
        size = files = 0
        pending = [str(folder)]
        while pending:
            with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(entry.path)
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
                    files += 1
                    if size > self.disk_bytes or files > self.disk_files:
                        return True
        return False


def _usage(pid: int) -> tuple[int, int]:
    """Return the threads and the resident bytes of process `pid` and all below it."""
    page = os.sysconf("SC_PAGE_SIZE")
    children: dict[int, list[int]] = {}
    numbers: dict[int, tuple[int, int]] = {}
    with os.scandir("/proc") as entries:
        names = [entry.name for entry in entries if entry.name.isdigit()]
    for name in names:
        with contextlib.suppress(OSError, ValueError, IndexError):
            text = Path(f"/proc/{name}/stat").read_text()
            # Behind the command's name, which may hold anything: state, parent, …
            fields = text[text.rindex(")") + 2 :].split()
            children.setdefault(int(fields[1]), []).append(int(name))
            numbers[int(name)] = (int(fields[17]), int(fields[21]) * page)
    threads = resident = 0
    pending = [pid]
    while pending:
        each = pending.pop()
        own = numbers.get(each, (0, 0))
        threads += own[0]
        resident += own[1]
        pending += children.get(each, [])
    return threads, resident
