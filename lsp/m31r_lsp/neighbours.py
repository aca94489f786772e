"""Whether rust-analyzer serves the same editor, which no client tells its servers."""

from __future__ import annotations

from pathlib import Path

_NAME = "rust-analyzer"


def rust_analyzer_runs(editor: int | None, proc: Path = Path("/proc")) -> bool | None:
    """Say whether a process of that name descends from the process `editor`.

    None where it cannot be known: without /proc, or when the editor is not on this machine.
    """
    if editor is None or not (proc / str(editor)).is_dir():
        return None
    parents: dict[int, int] = {}
    named: list[int] = []
    for folder in proc.iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            line = (folder / "stat").read_text("utf-8", "replace")
        except OSError:  # it ended meanwhile
            continue
        # "PID (NAME) STATE PARENT ...", where NAME may hold anything, and is cut at 15 characters.
        name, _, rest = line.partition("(")[2].rpartition(")")
        parents[int(folder.name)] = int(rest.split()[1])
        if name.startswith(_NAME):
            named.append(int(folder.name))
    return any(_descends(process, editor, parents) for process in named)


def _descends(process: int, ancestor: int, parents: dict[int, int]) -> bool:
    seen = set()
    while process in parents and process not in seen:
        if process == ancestor:
            return True
        seen.add(process)
        process = parents[process]
    return False
