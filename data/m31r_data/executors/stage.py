"""What a stage is, and what becomes of a rank of it that fails, whoever runs it."""

from __future__ import annotations

import json
import os
import shutil
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from m31r_core.errors import ConfigError, M31RError

if TYPE_CHECKING:
    from datatrove.pipeline.base import PipelineStep

# A worker is one core: tokenizers would take all of them. Nothing here needs a network.
ENVIRONMENT: Mapping[str, str] = {
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


@dataclass(frozen=True)
class Stage:
    """A pipeline of datatrove to be run for the ranks 0 to `tasks` - 1, in any order.

    `steps` makes the pipeline anew for each rank, where the rank runs. It is pickled: a function
    of a module, or a `functools.partial` of one.
    """

    name: str
    steps: Callable[[], Sequence[PipelineStep]]
    tasks: int


def stage_folders(stages: Sequence[Stage], logs: Path) -> list[Path]:
    """Empty `logs` and return a folder in it for each stage.

    An empty one: datatrove takes ranks for done whose mark it finds, though it be of another plan.
    """
    shutil.rmtree(logs, ignore_errors=True)
    folders = [logs / f"{place:02d}-{stage.name}" for place, stage in enumerate(stages)]
    for folder in folders:
        folder.mkdir(parents=True)
    return folders


def write_failure(folder: Path, rank: int, error: BaseException) -> None:
    """Write down in a stage's folder what stopped `rank`, with the traceback."""
    kind = next((each.__name__ for each in (ConfigError, M31RError) if isinstance(error, each)), "")
    row = {
        "kind": kind,
        "message": str(error) if kind else f"{type(error).__name__}: {error}",
        "traceback": "".join(traceback.format_exception(error)),
    }
    file = folder / "failed" / f"{rank:05d}.json"
    file.parent.mkdir(exist_ok=True)
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(row, indent=2), encoding="utf-8")
    partial.replace(file)


def failure(stage: Stage, folder: Path) -> M31RError | None:
    """Return the error of the stage's first rank that failed, as it is to be raised."""
    file = min((folder / "failed").glob("*.json"), default=None)
    if file is None:
        return None
    row = json.loads(file.read_text(encoding="utf-8"))
    if row["kind"]:
        kind = ConfigError if row["kind"] == "ConfigError" else M31RError
        return kind(row["message"])
    message = " ".join(row["message"].split())
    return M31RError(f"stage {stage.name}, rank {int(file.stem)}: {message} (traceback in {file})")


@contextmanager
def worker_environment() -> Iterator[None]:
    """Set the environment of workers; behind the block it is what it was.

    datatrove's own variables go too: it sets some in the process that runs a rank.
    """
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
