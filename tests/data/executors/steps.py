"""Steps that say where and when they ran, and one that fails as it is told to."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

from datatrove.pipeline.base import PipelineStep

from m31r_core.errors import ConfigError, M31RError
from m31r_data.executors import Stage

Failure = Literal["none", "m31r", "config", "bug", "unpicklable", "killed", "killed once", "hangs"]
REFUSED = "pack.jsonl: line 2: no JSON"


class RefusedError(M31RError):
    """An error that pickle cannot make again."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"pack.jsonl: line {line}: {reason}")


class Numbers(PipelineStep):  # type: ignore[misc]
    """The first step: it yields the rank."""

    name, type = "numbers", "test"

    def run(self, data: object = None, rank: int = 0, world_size: int = 1) -> Iterator[int]:
        yield rank


class Note(PipelineStep):  # type: ignore[misc]
    """Writes a note for each rank, after what `failure` does in rank 1."""

    name, type = "note", "test"

    def __init__(self, stage: str, folder: Path, failure: Failure) -> None:
        super().__init__()
        self._stage, self._folder, self._failure = stage, folder, failure

    def run(self, data: Iterator[int], rank: int = 0, world_size: int = 1) -> Iterator[int]:
        start = time.monotonic_ns()
        for number in data:
            if number == 1:
                _fail(self._failure, self._folder)
            note = {
                "stage": self._stage,
                "rank": number,
                "of": world_size,
                "pid": os.getpid(),
                "node": os.environ.get("RAY_NODE_ID") or _ray_node(),
                "tokenizers": os.environ.get("TOKENIZERS_PARALLELISM"),
                "start": start,
                "end": time.monotonic_ns(),
            }
            file = self._folder / f"{self._stage}-{number}.{time.monotonic_ns()}.json"
            file.write_text(json.dumps(note), encoding="utf-8")
            yield number


def _ray_node() -> str:
    import sys

    ray = sys.modules.get("ray")
    return ray.get_runtime_context().get_node_id() if ray and ray.is_initialized() else ""


def _fail(failure: Failure, folder: Path) -> None:
    match failure:
        case "m31r":
            raise M31RError(REFUSED)
        case "config":
            raise ConfigError(REFUSED)
        case "unpicklable":
            raise RefusedError(2, "no JSON")
        case "bug":
            raise ValueError("two\nlines")
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "killed once":
            if not (mark := folder / "killed").exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        case "hangs":
            (folder / "hangs").touch()
            time.sleep(600)


def _steps(stage: str, folder: Path, failure: Failure) -> list[PipelineStep]:
    return [Numbers(), Note(stage, folder, failure)]


def stages(folder: Path, failure: Failure = "none", **tasks: int) -> list[Stage]:
    """Return stages named as in `tasks`, with so many ranks; `failure` is of the first of them."""
    folder.mkdir(parents=True, exist_ok=True)
    failures = [failure] + ["none"] * len(tasks)
    return [
        Stage(name, partial(_steps, name, folder, kind), count)
        for (name, count), kind in zip(tasks.items(), failures, strict=False)
    ]


def notes(folder: Path) -> list[dict[str, Any]]:
    """Return what the ranks wrote, by their start."""
    found = [json.loads(file.read_text("utf-8")) for file in folder.glob("*.json")]
    return sorted(found, key=lambda note: note["start"])


def assert_ran(folder: Path, **tasks: int) -> None:
    """Every rank ran once, and no stage began before the one in front of it had ended."""
    found = notes(folder)
    ran = sorted((note["stage"], note["rank"], note["of"]) for note in found)
    assert ran == sorted((name, i, count) for name, count in tasks.items() for i in range(count))
    for before, after in zip(list(tasks), list(tasks)[1:], strict=False):
        ends = [note["end"] for note in found if note["stage"] == before]
        starts = [note["start"] for note in found if note["stage"] == after]
        assert max(ends) <= min(starts)
