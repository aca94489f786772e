"""Runs stages of `steps` in a process of its own, as the command line would: JSON in argv[1]."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from m31r_core.config import from_mapping
from m31r_core.errors import M31RError
from m31r_data.config import SlurmConfig
from m31r_data.executors import run_stages
from tests.data.executors.steps import stages


def main() -> int:
    # A test run that was started in the background ignores Ctrl-C, and what it starts does too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options = json.loads(sys.argv[1])
    folder = Path(options["folder"])
    try:
        jobs = run_stages(
            stages(folder, options["failure"], **options["tasks"]),
            executor=options["executor"],
            workers=options["workers"],
            logs=folder.with_name("logs"),
            slurm=from_mapping(options["slurm"], SlurmConfig, "slurm"),
        )
    except M31RError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if jobs:
        print(" ".join(jobs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
