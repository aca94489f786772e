from __future__ import annotations

import json
from pathlib import Path

import pytest

from m31r_eval.cli import main


def a_run(directory: Path, exact: list[int], tasks_sha256: str = "aa") -> str:
    directory.mkdir()
    (directory / "metrics.json").write_text(json.dumps({"tasks_sha256": tasks_sha256}))
    lines = [
        {
            "id": str(i),
            "exact_match": e,
            "edit_similarity": 0.5,
            "accepted": 10 * e,
            "characters": 10,
        }
        for i, e in enumerate(exact)
    ]
    (directory / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(directory)


def test_a_clear_loss_is_a_regression(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = a_run(tmp_path / "a", [1, 1, 0, 1] * 50)
    after = a_run(tmp_path / "b", [1, 0, 0, 1] * 50)
    assert main(["compare", before, after]) == 1
    printed = capsys.readouterr().out
    assert "75.0%" in printed
    assert "-25.0" in printed
    assert printed.count("worse") == 2
    assert main(["compare", after, before]) == 0
    assert main(["compare", before, after, "--threshold", "0.3"]) == 0


def test_a_loss_within_the_noise_is_none(tmp_path: Path) -> None:
    before = a_run(tmp_path / "a", [1, 0] * 20)
    after = a_run(tmp_path / "b", [0, 1] * 19 + [0, 0])
    assert main(["compare", before, after]) == 0


def test_runs_that_cannot_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = a_run(tmp_path / "a", [1])
    assert main(["compare", a, a_run(tmp_path / "b", [1], "bb")]) == 2
    assert "different task files" in capsys.readouterr().err
    assert main(["compare", a, str(tmp_path / "none")]) == 2
    assert "none/metrics.json" in capsys.readouterr().err
