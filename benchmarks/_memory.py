"""Peak memory of a build's processes, stage by stage, as the kernel counts it."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

_POLL_S = 0.02


@dataclass
class Memory:
    """The most that one process had in a stage, in bytes: `resident`, and of that its `own`.

    `own` is anonymous and shared memory; what else is resident are pages of files. `process` says
    which kind had most of its own: "lead", that which was started, or "worker".
    """

    resident: int = 0
    own: int = 0
    process: str = "lead"


def watch(process: subprocess.Popen[bytes], journal: Path) -> dict[str, Memory]:
    """Wait for `process`, a build; return what each stage of its `journal` needed, in order.

    What is done before the first stage is called "plan".
    """
    stages = {"plan": Memory()}
    stage = "plan"
    while process.poll() is None:
        family = _family(process.pid)
        current = _stage(journal) or stage
        if current != stage:
            stage = current
            for pid in family:
                _reset_peak(pid)
        memory = stages.setdefault(stage, Memory())
        for pid in family:
            _look(pid, memory, "lead" if pid == process.pid else "worker")
        time.sleep(_POLL_S)
    return stages


def _look(pid: int, memory: Memory, kind: str) -> None:
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return
    values = dict(line.split(":", 1) for line in status.splitlines() if " kB" in line)
    resident, *parts = (
        int(values.get(name, "0").split()[0]) * 1024 for name in ("VmHWM", "RssAnon", "RssShmem")
    )
    memory.resident = max(memory.resident, resident)
    if sum(parts) > memory.own:
        memory.own, memory.process = sum(parts), kind


def _family(pid: int) -> list[int]:
    """Return `pid` and the processes below it. Cheap, as psutil's way is not: it reads them all."""
    children: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += map(int, file.read_text("utf-8").split())
        except OSError:
            continue
    return [pid, *(member for child in children for member in _family(child))]


def _reset_peak(pid: int) -> None:
    """Let VmHWM begin anew at what is resident now."""
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    except OSError:
        return


def _stage(journal: Path) -> str:
    """Return the stage of the last whole line of the journal; none when there is no such line."""
    try:
        with journal.open("rb") as file:
            file.seek(max(0, journal.stat().st_size - 4096))
            lines = file.read().split(b"\n")[:-1]
        return str(json.loads(lines[-1])["stage"]) if lines else ""
    except (OSError, ValueError, KeyError):
        return ""
