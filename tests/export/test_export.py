"""What is exported is the model that was trained."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from m31r_core.bundle import Quant, load_bundle
from m31r_core.engine.graph import Graph
from m31r_core.engine.session import Session
from m31r_core.errors import ConfigError, M31RError
from m31r_core.model import load_checkpoint
from m31r_core.tokenizer import Tokenizer
from m31r_export.checkpoint import export_checkpoint
from m31r_export.cli import add_export_parser, add_parity_parser
from m31r_export.parity import measure_parity, sample_prompts
from m31r_export.quantise import dequantise, fitting_block, quantise
from m31r_export.unpack import unpack_bundle


def logits(checkpoint: Path, out: Path, quant: str) -> tuple[np.ndarray, np.ndarray]:
    """Of the bundle, and of PyTorch."""
    bundle = export_checkpoint(checkpoint, out, quant=quant)  # type: ignore[arg-type]
    ids = list(range(16, 216))
    session = Session(Graph(load_bundle(bundle.path), 1))
    parts = [session.forward(ids[:130], range(130)), session.forward(ids[130:], range(70))]
    with torch.inference_mode():
        expected = load_checkpoint(checkpoint)[0](torch.tensor([ids]))[0].numpy()
    return np.concatenate(parts), expected


def test_fp32_logits_are_those_of_pytorch(random_checkpoint: Path, tmp_path: Path) -> None:
    ours, expected = logits(random_checkpoint, tmp_path / "b", "fp32")
    np.testing.assert_allclose(ours, expected, atol=1e-3 * expected.std())


@pytest.mark.parametrize(("quant", "error"), [("int8", 0.05), ("int4", 0.5)])
def test_quantised_logits_are_near(
    random_checkpoint: Path, tmp_path: Path, quant: str, error: float
) -> None:
    ours, expected = logits(random_checkpoint, tmp_path / "b", quant)
    assert np.sqrt(((ours - expected) ** 2).mean()) < error * expected.std()


def test_logit_rows_select(random_bundle: Path) -> None:
    session = Session(Graph(load_bundle(random_bundle), 1))
    everything = session.forward([20, 21, 22, 23], range(4))
    session.rewind(0)
    some = session.forward([20, 21, 22, 23], [3, 1])
    np.testing.assert_allclose(some, everything[[3, 1]], atol=1e-4)


@pytest.mark.parametrize("block", [32, 64])
@pytest.mark.parametrize("bits", [4, 8])
def test_quantised_blocks(bits: int, block: int) -> None:
    random = np.random.default_rng(0)
    matrix = random.normal(size=(6, 64)).astype(np.float32)
    matrix[2, :32] = 0
    quantised = quantise(matrix, bits, block)
    assert quantised.data.shape == (6, 64 // block, block * bits // 8)
    restored = dequantise(quantised.data, quantised.scales, bits)
    steps = np.repeat(np.abs(quantised.scales), block, axis=1)
    assert (np.abs(restored - matrix) <= steps + 1e-6).all()
    again = quantise(restored, bits, block)
    assert (again.data == quantised.data).all()


def test_a_block_divides_the_columns() -> None:
    assert [fitting_block(columns, 256) for columns in (768, 640, 2112, 96)] == [256, 128, 64, 32]
    assert fitting_block(768, 64) == 64
    with pytest.raises(M31RError, match="33 columns"):
        fitting_block(33, 256)


@pytest.mark.parametrize("quant", ["fp32", "int8", "int4"])
def test_large_weights_lie_in_a_file_that_is_mapped(
    random_checkpoint: Path, tmp_path: Path, quant: Quant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle of either form computes the same and can be unpacked to the same weights."""
    ids = list(range(16, 80))
    inline = export_checkpoint(random_checkpoint, tmp_path / "inline", quant=quant)
    monkeypatch.setattr("m31r_export.onnx_file._MAPPED_FROM_BYTES", 0)
    mapped = export_checkpoint(random_checkpoint, tmp_path / "mapped", quant=quant)
    assert "model.onnx.data" in mapped.manifest.files
    assert "model.onnx.data" not in inline.manifest.files
    assert mapped.model.stat().st_size < 0.2 * inline.model.stat().st_size
    logits = [
        Session(Graph(load_bundle(each.path), 1)).forward(ids, [10, 63])
        for each in (inline, mapped)
    ]
    np.testing.assert_array_equal(logits[0], logits[1])
    unpack_bundle(mapped, tmp_path / "unpacked")
    again = export_checkpoint(tmp_path / "unpacked", tmp_path / "again", quant=quant)
    assert again.manifest.files["model.onnx.data"] == mapped.manifest.files["model.onnx.data"]


@pytest.mark.parametrize("quant", ["fp32", "int8", "int4"])
def test_logits_do_not_depend_on_the_steps(
    random_checkpoint: Path, tmp_path: Path, rust: str, quant: Quant
) -> None:
    """To the last bit, with any number of threads: what a cache holds can never show."""
    bundle = export_checkpoint(random_checkpoint, tmp_path / "b", quant=quant)
    ids = Tokenizer.load(bundle.tokenizer).encode(rust)[:200]
    whole = Session(Graph(bundle, 1)).forward(ids, range(200))
    for threads in (1, 2):
        graph = Graph(bundle, threads)
        for steps in ([1], [2], [3, 1], [8, 5, 2], [17], [128]):
            session, rows = Session(graph), list[np.ndarray]()
            while len(session.ids) < 200:
                step = steps[len(rows) % len(steps)]
                part = ids[len(session.ids) :][:step]
                rows.append(session.forward(part, range(len(part))))
            np.testing.assert_array_equal(np.concatenate(rows), whole, err_msg=f"{steps}")


def test_same_checkpoint_same_bytes(random_checkpoint: Path, tmp_path: Path) -> None:
    first = export_checkpoint(random_checkpoint, tmp_path / "a" / "tiny", quant="int8")
    second = export_checkpoint(random_checkpoint, tmp_path / "b" / "tiny", quant="int8")
    assert first.manifest == second.manifest


def test_graph_is_valid_and_shares_the_embedding(random_checkpoint: Path, tmp_path: Path) -> None:
    bundle = export_checkpoint(random_checkpoint, tmp_path / "b", quant="int8")
    graph = onnx.load(bundle.model).graph
    config = load_checkpoint(random_checkpoint)[1]
    rows = [c for c in graph.initializer if config.vocab_size in c.dims]
    assert sorted(c.name for c in rows) == ["embedding", "embedding.scales"]


def test_run_information_reaches_the_manifest(random_checkpoint: Path, tmp_path: Path) -> None:
    checkpoint = shutil.copytree(random_checkpoint, tmp_path / "checkpoint")
    run = {"run_id": "run-7", "dataset_id": "data-3", "steps": 12}
    (checkpoint / "m31r_run.json").write_text(json.dumps(run))
    bundle = export_checkpoint(checkpoint, tmp_path / "ours", quant="int8", card="# Card\n")
    assert (bundle.manifest.run_id, bundle.manifest.dataset_id) == ("run-7", "data-3")
    assert bundle.manifest.model_id == "ours"
    assert (bundle.path / "MODEL_CARD.md").read_text() == "# Card\n"
    (checkpoint / "m31r_run.json").write_text("{")
    with pytest.raises(M31RError, match=r"m31r_run\.json"):
        export_checkpoint(checkpoint, tmp_path / "ours", quant="int8")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_incomplete_checkpoint_is_named(random_checkpoint: Path, tmp_path: Path, name: str) -> None:
    checkpoint = shutil.copytree(random_checkpoint, tmp_path / "checkpoint")
    (checkpoint / name).unlink()
    with pytest.raises(M31RError, match=name):
        export_checkpoint(checkpoint, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_parity_of_fp32_is_complete(
    random_checkpoint: Path, random_bundle: Path, tmp_path: Path, rust: str
) -> None:
    (tmp_path / "main.rs").write_text(rust)
    bundle = load_bundle(random_bundle)
    decoder, config = load_checkpoint(random_checkpoint)
    tokenizer = Tokenizer.load(bundle.tokenizer)
    length = config.context_length
    prompts = sample_prompts(tmp_path, tokenizer, 10, steps=8, context_length=length)
    assert prompts == sample_prompts(tmp_path, tokenizer, 10, steps=8, context_length=length)
    parity = measure_parity(decoder, Session(Graph(bundle, 1)), prompts, 8)
    assert (parity.prompts, parity.equal_share) == (10, 1.0)
    assert parity.largest_difference < 1e-2


def command(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    add_export_parser(commands)
    add_parity_parser(commands)
    arguments = parser.parse_args(argv)
    code: int = arguments.handler(arguments)
    return code


def test_commands(
    random_checkpoint: Path, tmp_path: Path, rust: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text, out = tmp_path / "main.rs", tmp_path / "tiny"
    text.write_text(rust)
    assert command("export", str(random_checkpoint), "--out", str(out), "--quant", "int4") == 0
    assert capsys.readouterr().out.startswith(f"{out}: tiny, int4, ")
    compare = ["parity", str(random_checkpoint), str(out), "--prompts", "3", "--tokens", "4"]
    assert command(*compare, "--text", str(text)) == 0
    printed = capsys.readouterr().out
    assert "largest logit difference" in printed
    assert "equal greedy tokens" in printed
    with pytest.raises(M31RError, match="less than 101"):
        command(*compare, "--text", str(text), "--min-equal", "1.01")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no Rust files"):
        command(*compare, "--text", str(tmp_path / "empty"))
