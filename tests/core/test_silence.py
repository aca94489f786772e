"""ONNX Runtime's own telemetry stays off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOAD = """\
import sys
from pathlib import Path
from m31r_core.bundle import load_bundle
from m31r_core.engine.graph import Graph
from m31r_core.engine.session import Session
Session(Graph(load_bundle(Path(sys.argv[1])), 1)).forward([16, 17], [1])
"""


@pytest.mark.parametrize("program", ["import m31r_core.engine", LOAD])
def test_the_runtime_leaves_nothing_in_the_home_folder(
    program: str, bundle_path: Path, tmp_path: Path
) -> None:
    # Without the variables of a CI machine, on which the runtime would be silent of itself.
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [sys.executable, "-B", "-c", program, str(bundle_path)]
    subprocess.run(command, env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []
