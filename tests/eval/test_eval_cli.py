from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.eval.runs import kill_after, untimed

from m31r_core.config import load_toml
from m31r_core.prompt import Chunk
from m31r_eval.cli import main
from m31r_eval.settings import Settings
from m31r_eval.tasks import CompleteTask, write_tasks

CONFIG = Path(__file__).parents[2] / "configs" / "eval" / "complete.toml"


@pytest.fixture(scope="session")
def tasks_path(dataset_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tasks") / "tasks.jsonl"
    assert main(["build-tasks", str(dataset_path), "--out", str(path), "--n", "6"]) == 0
    return path


@pytest.fixture(scope="session")
def ngram_path(dataset_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ngram") / "ngram.npz"
    assert main(["ngram", str(dataset_path), "--out", str(path)]) == 0
    return path


def complete(tasks: Path, bundle: Path, out: Path, *more: str) -> int:
    short = ["--config", str(CONFIG), "--set", "complete.max_new_tokens=12"]
    return main(
        ["complete", str(tasks), "--model", str(bundle), "--out", str(out), *short, *more]
    )  # fmt: skip


def results(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def metrics(out: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return loaded


def test_model_and_baselines_stand_side_by_side(
    tasks_path: Path,
    bundle_path: Path,
    ngram_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "new" / "run"
    assert complete(tasks_path, bundle_path, out, "--ngram", str(ngram_path)) == 0
    table = capsys.readouterr().out
    for word in ("exact match", "edit similarity", "chars saved", "ngram", "copy", "p95 ms"):
        assert word in table

    lines, summary = results(out), metrics(out)
    assert [line["id"] for line in lines] == [
        json.loads(line)["id"] for line in tasks_path.read_text().splitlines()
    ]
    assert summary["n"] == len(lines) == 6
    assert summary["seed"] == 0
    assert len(summary["tasks_sha256"]) == 64
    share = sum(line["exact_match"] for line in lines) / 6
    assert summary["exact_match"] == pytest.approx(share, abs=1e-6)
    accepted, characters = (sum(line[k] for line in lines) for k in ("accepted", "characters"))
    assert summary["chars_saved"] == pytest.approx(accepted / characters, abs=1e-6)
    for scores in (summary, *summary["baselines"].values()):
        for name in ("exact_match", "edit_similarity", "chars_saved"):
            low, high = scores["ci95"][name]
            assert 0 <= low <= scores[name] <= high <= 1
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p95"]
    assert 0 <= summary["end_rate"] <= 1
    # It was trained on the very files of the tasks.
    assert summary["baselines"]["ngram"]["exact_match"] > 0


def test_two_runs_differ_in_timings_only(
    tasks_path: Path, bundle_path: Path, ngram_path: Path, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        assert complete(tasks_path, bundle_path, tmp_path / name, "--ngram", str(ngram_path)) == 0

    def timeless(out: Path) -> tuple[str, str]:
        lines, summary = results(out), metrics(out)
        for line in lines:
            del line["timings_ms"]
        del summary["latency_ms"], summary["typing_latency_ms"]
        return json.dumps(lines), json.dumps(summary)

    assert timeless(tmp_path / "a") == timeless(tmp_path / "b")
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0


def test_references_are_all_right_and_nothing_is_not(tasks_path: Path, tmp_path: Path) -> None:
    arguments = ["--model", "reference", "--beside", "empty"]
    assert main(["complete", str(tasks_path), "--out", str(tmp_path), *arguments]) == 0
    summary = metrics(tmp_path)
    empty = summary["baselines"]["empty"]
    for name in ("exact_match", "edit_similarity", "chars_saved"):
        assert summary[name] == 1.0
        assert empty[name] == 0.0
    assert summary["crashed"] == 0


def test_a_killed_run_goes_on(
    tasks_path: Path, bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complete(tasks_path, bundle_path, tmp_path / "whole") == 0
    killed = tmp_path / "killed"
    arguments = ["complete", str(tasks_path), "--model", str(bundle_path), "--out", str(killed)]
    arguments += ["--config", str(CONFIG), "--set", "complete.max_new_tokens=12"]
    kill_after([*arguments, "--workers", "1"], killed, records=2)
    capsys.readouterr()
    assert complete(tasks_path, bundle_path, killed) == 0
    assert "tasks were done before" in capsys.readouterr().out
    assert untimed(killed) == untimed(tmp_path / "whole")


def test_what_other_files_say_is_measured_apart(bundle_path: Path, tmp_path: Path) -> None:
    tasks = tmp_path / "tasks.jsonl"
    chunk = Chunk("src/stack.rs", "pub fn push_all(&mut self, items: &[u32])")
    alone = CompleteTask("alone", "src/lib.rs", "fn f() {\n    ", "\n}\n", "g();")
    write_tasks(tasks, [alone, replace(alone, id="helped", middle="h();", context=(chunk,))])
    out = tmp_path / "out"
    assert complete(tasks, bundle_path, out, "--context", "both", "--no-simulation") == 0
    summary = metrics(out)
    assert summary["context_gain"]["with"]["n"] == summary["context_gain"]["without"]["n"] == 1
    assert summary["baselines"]["without context"]["n"] == 1
    first, second = results(out)
    assert (first["has_context"], second["has_context"]) == (False, True)
    assert "without context" not in first["baselines"]


def test_a_limit_and_no_simulation(tasks_path: Path, bundle_path: Path, tmp_path: Path) -> None:
    assert complete(tasks_path, bundle_path, tmp_path, "--limit", "2", "--no-simulation") == 0
    summary = metrics(tmp_path)
    assert summary["n"] == 2
    assert "chars_saved" not in summary
    assert "typing_latency_ms" not in summary
    assert list(summary["baselines"]) == ["copy"]


def test_tasks_and_counts_are_the_same_bytes_every_time(
    dataset_path: Path, tasks_path: Path, ngram_path: Path, tmp_path: Path
) -> None:
    again = tmp_path / "tasks.jsonl"
    assert main(["build-tasks", str(dataset_path), "--out", str(again), "--n", "6"]) == 0
    assert again.read_bytes() == tasks_path.read_bytes()
    arguments = ["build-tasks", str(dataset_path), "--out", str(again), "--n", "6", "--seed", "1"]
    assert main(arguments) == 0
    assert again.read_bytes() != tasks_path.read_bytes()
    assert main(["ngram", str(dataset_path), "--out", str(tmp_path / "n.npz")]) == 0
    assert (tmp_path / "n.npz").read_bytes() == ngram_path.read_bytes()


def test_fewer_tasks_than_asked_for_are_said(
    dataset_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tasks.jsonl"
    assert main(["build-tasks", str(dataset_path), "--out", str(out), "--n", "500"]) == 0
    assert "500 were asked for" in capsys.readouterr().err


def test_a_part_of_the_tokens_can_be_counted(
    dataset_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "n.npz")
    arguments = ["ngram", str(dataset_path), "--out", out, "--order", "3", "--limit-tokens", "400"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "2 to 3" in printed
    assert 1 < int(printed.split(": ")[1].split(" ")[0]) <= 401


def test_errors_are_one_line_naming_what_is_wrong(
    tasks_path: Path,
    dataset_path: Path,
    bundle_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def error(code: int, *arguments: object) -> str:
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == code
        line, nothing = capsys.readouterr().err.split("\n")
        assert nothing == ""
        assert line.startswith("m31r-eval: ")
        return line

    broken = tmp_path / "broken.jsonl"
    broken.write_text(tasks_path.read_text() + '{"id": 1}\n')
    run = ["--model", bundle_path, "--out", tmp_path / "run"]
    assert f"{broken}:7: 'id' must be a string" in error(2, "complete", broken, *run)
    assert not (tmp_path / "run").exists()

    model = tmp_path / "bundle"
    shutil.copytree(bundle_path, model)
    (model / "tokenizer.json").write_text("{}")
    line = error(1, "complete", tasks_path, "--model", model, "--out", tmp_path / "run")
    assert "tokenizer.json" in line

    config = tmp_path / "eval.toml"
    config.write_text("[tasks]\nmin_leters = 3\n")
    build = ["build-tasks", dataset_path, "--out", tmp_path / "t", "--config"]
    assert "did you mean 'min_letters'?" in error(2, *build, config)
    assert "tasks.package_share" in error(2, *build, CONFIG, "--set", "tasks.package_share=7")
    assert "'dev'" in error(
        1, "build-tasks", dataset_path, "--out", tmp_path / "t", "--split", "dev"
    )
    assert "ngram.order" in error(2, "ngram", dataset_path, "--out", tmp_path / "n", "--order", 99)

    truncated = tmp_path / "dataset"
    shutil.copytree(dataset_path, truncated)
    shard = truncated / "train-00000.tokens"
    shard.write_bytes(shard.read_bytes()[:-2])
    assert "train-00000.tokens" in error(1, "ngram", truncated, "--out", tmp_path / "n")
    not_ngram = error(1, "complete", tasks_path, *run, "--ngram", tasks_path)
    assert str(tasks_path) in not_ngram
    taken = error(1, "complete", tasks_path, "--model", bundle_path, "--out", tasks_path)
    assert taken == f"m31r-eval: {tasks_path}: File exists"


def test_the_configuration_file_spells_out_the_defaults() -> None:
    assert load_toml(CONFIG, Settings) == Settings()


def test_torch_stays_out() -> None:
    code = "import m31r_eval.cli, sys; print('torch' in sys.modules, 'm31r_lsp' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert answer.stdout.split() == ["False", "False"]
