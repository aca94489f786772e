"""Stages in a process of their own, and a Ray cluster of two nodes to send them to."""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

Driven = subprocess.Popen[str]

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="ray is not installed"
)

NODES = """\
import sys
from ray.cluster_utils import Cluster
options = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 100 * 2**20}
cluster = Cluster(initialize_head=True, head_node_args=options)
cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20)
cluster.wait_for_nodes()
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


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
            env={**os.environ, "PYTHONPATH": _with_root(), **(environment or {})},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return start


@pytest.fixture(scope="package")
def ray_cluster() -> Iterator[dict[str, str]]:
    """Two nodes with a worker each, on the loopback device; yields the environment to use them."""
    environment = {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        # What m31r is on the nodes of a cluster: importable.
        "PYTHONPATH": _with_root(),
    }
    nodes = subprocess.Popen(
        [sys.executable, "-c", NODES],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert nodes.stdout is not None
    yield {**environment, "RAY_ADDRESS": nodes.stdout.readline().strip()}
    nodes.communicate(timeout=300)


def _with_root() -> str:
    """Return a PYTHONPATH that finds the steps of this folder, and what was found before."""
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
