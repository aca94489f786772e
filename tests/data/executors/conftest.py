"""Stages in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

Driven = subprocess.Popen[str]


@pytest.fixture
def drive(tmp_path: Path) -> Callable[..., Driven]:
    """Return a function that starts stages; their notes go to the folder `notes` of the test."""

    def start(
        executor: str,
        workers: int,
        failure: str = "none",
        *,
        slurm: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        **tasks: int,
    ) -> Driven:
        options = {
            "folder": str(tmp_path / "notes"),
            "executor": executor,
            "workers": workers,
            "failure": failure,
            "slurm": slurm or {},
            "tasks": tasks,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "tests.data.executors.drive", json.dumps(options)],
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return start
