"""Run folders, read and compared."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from m31r_core.cargo.sandbox import SandboxError, find_sandbox

SHARED = Path(os.environ.get("M31R_SHARED", Path(__file__).parents[3] / "shared"))


def need_a_sandbox() -> None:
    try:
        find_sandbox(require=True)
    except SandboxError as error:
        pytest.skip(str(error))


def results(out: Path) -> dict[str, dict[str, Any]]:
    lines = (out / "results.jsonl").read_text().splitlines()
    return {record["id"]: record for record in map(json.loads, lines)}


def metrics(out: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return loaded


def untimed(out: Path) -> tuple[list[object], object]:
    """Results and metrics without what is named after times."""
    lines = (out / "results.jsonl").read_text().splitlines()
    return [_without_times(json.loads(line)) for line in lines], _without_times(metrics(out))


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_times(each)
            for key, each in value.items()
            if not key.startswith("timings") and not key.endswith(("latency_ms", "answer_ms"))
        }
    return value


def kill_after(arguments: list[str], out: Path, records: int) -> None:
    """Start `m31r-eval` and kill it, and all that it started, once so many records are there."""
    command = "import sys; from m31r_eval.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", command, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    partial = out / "results.partial.jsonl"
    end = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        if partial.exists() and partial.read_bytes().count(b"\n") > records:
            break
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert partial.exists()
    # As a kill in the middle of a write leaves it.
    with partial.open("a") as lines:
        lines.write('{"id": "half a li')
