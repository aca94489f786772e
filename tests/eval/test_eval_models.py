"""Everybody's models behind one interface: real llama.cpp, real transformers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.eval.runs import metrics, results

from m31r_core.errors import ConfigError, M31RError
from m31r_eval.cli import main
from m31r_eval.contestants import Contestants
from m31r_eval.models import Asked, Drawn, ModelSpec, identify, open_model, parse_model
from m31r_eval.settings import NgramSettings
from m31r_eval.tasks import CompleteTask, write_tasks
from m31r_export.checkpoint import export_checkpoint

DRAWN = Drawn(max_new_tokens=8)
LINE = Asked("src/lib.rs", "fn main() {\n    let x = ", ";\n}\n", expected="1")


def test_what_a_user_writes_names_a_model(bundle_path: Path) -> None:
    assert parse_model("copy") == ModelSpec("copy")
    assert parse_model("gguf:a/b.gguf") == ModelSpec("gguf", Path("a/b.gguf"))
    assert parse_model(str(bundle_path)) == ModelSpec("bundle", bundle_path)
    assert parse_model(None).kind == "bundle"
    with pytest.raises(ConfigError, match="no such kind of model"):
        parse_model("openai:gpt")
    with pytest.raises(M31RError, match=r"no/bundle/m31r\.json"):
        parse_model("no/bundle")
    with pytest.raises(M31RError, match=r"weights\.gguf"):
        identify(ModelSpec("gguf", Path("weights.gguf")))
    with pytest.raises(M31RError, match=r"config\.json"):
        identify(ModelSpec("hf", Path("nowhere")))


def test_no_two_models_of_one_name() -> None:
    copies = Contestants(ModelSpec("copy"), (ModelSpec("copy"),), None, NgramSettings())
    with pytest.raises(ConfigError, match="two models are called 'copy'"):
        copies.names()


@pytest.mark.parametrize(("kind", "text"), [("reference", "1"), ("empty", "")])
def test_models_that_test_the_harness(kind: str, text: str) -> None:
    model = open_model(parse_model(kind), threads=1, ngram=NgramSettings())
    assert model.complete(LINE, DRAWN).text == text


@pytest.fixture(scope="module")
def gguf(random_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("xllamacpp")
    out = tmp_path_factory.mktemp("gguf") / "random"
    export_checkpoint(random_checkpoint, out, quant="fp32", gguf=True)
    return (out / "model.gguf").rename(out / "random.gguf")


def test_llama_cpp_and_transformers_stand_in_the_same_table(
    gguf: Path,
    random_checkpoint: Path,
    random_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hugging_face = tmp_path / "twin"
    shutil.copytree(random_checkpoint, hugging_face)
    tasks = tmp_path / "tasks.jsonl"
    middle = "value.len()"
    write_tasks(
        tasks,
        [
            CompleteTask(f"{i}", "src/lib.rs", f"fn f{i}() {{\n    ", "\n}\n", middle)
            for i in range(3)
        ],
    )
    out = tmp_path / "run"
    others = ["--beside", f"gguf:{gguf}", "--beside", f"hf:{hugging_face}", "--beside", "reference"]
    arguments = ["complete", str(tasks), "--model", str(random_bundle), "--out", str(out)]
    assert main([*arguments, *others, "--workers", "1", "--no-simulation"]) == 0
    table = capsys.readouterr().out
    for name in ("gguf:random", "hf:twin", "reference", "copy"):
        assert name in table
        assert metrics(out)["baselines"][name]["n"] == 3
    assert metrics(out)["baselines"]["reference"]["exact_match"] == 1.0
    record = results(out)["0"]
    # Greedy, so a second run says the same.
    again = tmp_path / "again"
    arguments[-1] = str(again)
    assert main([*arguments, *others, "--workers", "1", "--no-simulation"]) == 0
    assert results(again)["0"]["baselines"] == record["baselines"]


def test_a_model_that_cannot_be_loaded_ends_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    tasks = tmp_path / "tasks.jsonl"
    write_tasks(tasks, [CompleteTask("a", "a.rs", "", "", "x")])
    arguments = ["complete", str(tasks), "--model", f"hf:{folder}", "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert f"{folder}: transformers cannot load it" in said
    assert "Traceback" not in said


def test_a_gguf_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("xllamacpp")
    file = tmp_path / "weights.gguf"
    file.write_bytes(b"GGUF nothing")
    tasks = tmp_path / "tasks.jsonl"
    write_tasks(tasks, [CompleteTask("a", "a.rs", "", "", "x")])
    arguments = ["complete", str(tasks), "--model", f"gguf:{file}", "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    assert f"{file}: llama.cpp's server does not start" in capsys.readouterr().err


def test_a_bundle_exported_to_gguf_is_asked_in_its_own_words(
    random_checkpoint: Path, tmp_path: Path
) -> None:
    bundle = export_checkpoint(random_checkpoint, tmp_path / "fp32", quant="fp32").path
    model = open_model(ModelSpec("bundle", bundle), threads=1, ngram=NgramSettings())
    answer = model.complete(LINE, DRAWN)
    assert answer.confidence is not None
    assert answer.details["tokens"] >= 1
    assert set(answer.timings_ms) == {"prefill", "decode"}
