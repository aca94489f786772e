"""A calibration, fitted on tasks and kept in a bundle."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from m31r_core.bundle import load_bundle

PROGRAM = Path(sys.executable).with_name("m31r-eval")
LIB = Path(__file__).parents[2] / "examples" / "src" / "lib.rs"


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    text = LIB.read_text("utf-8")
    lines, made = text.split("\n"), []
    for i, line in enumerate(lines):
        if len(line.strip()) > 12 and not line.strip().startswith("//"):
            indent = len(line) - len(line.lstrip())
            before = "\n".join([*lines[:i], line[:indent]])
            after = "\n" + "\n".join(lines[i + 1 :])
            made.append({"id": f"{i}", "path": "src/lib.rs", "prefix": before, "kind": "line"})
            made[-1] |= {"middle": line[indent:], "suffix": after}
    file = tmp_path / "tasks.jsonl"
    file.write_text("".join(json.dumps(task) + "\n" for task in made[:40]))
    return file


def test_it_is_kept_and_the_bundle_is_still_whole(
    bundle_path: Path, tasks: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(bundle_path, bundle)
    before = json.loads(run_json(bundle, tasks, tmp_path / "before.json"))
    done = run("calibrate", tasks, "--model", bundle, "--every", 6, "--keep")
    assert done.returncode == 0, done.stderr
    assert "calibration.json" in load_bundle(bundle).manifest.files
    after = json.loads(run_json(bundle, tasks, tmp_path / "after.json"))
    assert after["n"] == before["n"]
    assert after["calibration_error"] < 0.15
    fitted = (bundle / "calibration.json").read_bytes()
    run("calibrate", tasks, "--model", bundle, "--every", 6, "--keep", "--workers", 1)
    assert (bundle / "calibration.json").read_bytes() == fitted


def run_json(bundle: Path, tasks: Path, file: Path) -> str:
    done = run("calibrate", tasks, "--model", bundle, "--every", 6, "--json", file)
    assert done.returncode == 0, done.stderr
    return file.read_text("utf-8")


def test_tasks_that_say_nothing_are_refused(bundle_path: Path, tmp_path: Path) -> None:
    task = {"id": "1", "path": "a.rs", "prefix": "", "middle": "", "suffix": "", "kind": "line"}
    file = tmp_path / "tasks.jsonl"
    file.write_text(json.dumps(task) + "\n")
    done = run("calibrate", file, "--model", bundle_path)
    assert done.returncode == 2
    assert str(file) in done.stderr
