"""The evaluation's report in a real browser, used with the keyboard."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.e2e.code_server import SCREENSHOTS, Programs
from tests.eval.test_eval_report import EVIL, a_run

from m31r_eval.cli import main

pytestmark = pytest.mark.e2e

DRIVER = Path(__file__).with_name("browse.mjs")


def test_a_reader_browses_the_tasks_with_the_keyboard(tmp_path: Path) -> None:
    programs = Programs.found()
    a_run(tmp_path / "runs" / "first", text=EVIL)
    a_run(tmp_path / "runs" / "second")
    out = tmp_path / "report.html"
    assert main(["report", str(tmp_path / "runs"), "--out", str(out)]) == 0
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    task = {
        "browser": str(programs.browser),
        "modules": str(programs.modules),
        "profile": str(tmp_path / "profile"),
        "page": str(out),
        "screenshot": str(SCREENSHOTS / "report.png"),
    }
    done = subprocess.run(
        [str(programs.node), str(DRIVER), json.dumps(task)],
        env=programs.environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout)
    assert seen["title"] == "Evaluation"
    assert seen["complaints"] == []
    assert seen["requests"] == []
    assert seen["charts"] >= 10
    assert (seen["all"], seen["count"]) == (12, "12 of 12")
    assert (seen["first"], seen["second"], seen["last"]) == ("task-0", "task-1", "task-11")
    assert seen["scrolled"] == 0
    assert seen["marked"]
    assert "second: exact" in seen["article"]
    assert "copy: differs" in seen["article"]
    # Every middle but the first of each run is "value" more than once.
    assert seen["searched"] == 10
    assert seen["focused"] == "list"
    assert seen["again"] == 12
    assert seen["exact"] == 6
    assert "first: exact" in seen["clicked"]
    # What a model wrote is shown and not obeyed.
    assert "<img src=x onerror=alert(1)>" in seen["clicked"]
    assert (SCREENSHOTS / "report.png").stat().st_size > 10_000
