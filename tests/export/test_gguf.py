"""llama.cpp runs what we export, and writes what we write."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import gguf
import numpy as np
import pytest

from m31r_core.bundle import Quant, load_bundle
from m31r_core.engine import Engine, GenerateOptions
from m31r_core.model import load_checkpoint
from m31r_core.prompt import Prompt
from m31r_core.tokenizer import NEVER_WRITTEN, SPECIALS, Tokenizer
from m31r_eval.models.llama_server import LlamaServer
from m31r_export.checkpoint import export_checkpoint

CONTEXT = 256


def export(checkpoint: Path, out: Path, quant: Quant) -> Path:
    export_checkpoint(checkpoint, out, quant=quant, gguf=True)
    return load_bundle(out).path / "model.gguf"


@pytest.mark.parametrize(("quant", "error"), [("fp32", 0.0), ("int8", 0.01), ("int4", 0.2)])
def test_the_weights_are_the_checkpoints(
    random_checkpoint: Path, tmp_path: Path, quant: Quant, error: float
) -> None:
    reader = gguf.GGUFReader(export(random_checkpoint, tmp_path / "b", quant))
    decoder, config = load_checkpoint(random_checkpoint)
    weights = {name: value.numpy() for name, value in decoder.state_dict().items()}
    found = {each.name: gguf.dequantize(each.data, each.tensor_type) for each in reader.tensors}
    assert len(found) == len(weights) == 2 + 11 * config.layers
    pairs = [
        ("model.embed_tokens.weight", "token_embd.weight"),
        ("model.layers.1.self_attn.k_proj.weight", "blk.1.attn_k.weight"),
        ("model.layers.0.mlp.down_proj.weight", "blk.0.ffn_down.weight"),
        ("model.norm.weight", "output_norm.weight"),
    ]
    for ours, theirs in pairs:
        expected = weights[ours]
        scale = float(np.abs(expected).max())
        assert found[theirs].reshape(expected.shape) == pytest.approx(expected, abs=error * scale)


@pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="no wheel of llama.cpp for this machine"
)
def test_llama_cpp_reads_and_writes_the_same_tokens(
    random_checkpoint: Path, tmp_path: Path, rust: str
) -> None:
    model = export(random_checkpoint, tmp_path / "b", "fp32")
    engine = Engine.load(load_bundle(tmp_path / "b"), threads=1)
    tokenizer = Tokenizer.load(tmp_path / "b" / "tokenizer.json")
    server = LlamaServer(model, threads=1, context=CONTEXT)
    try:
        for token in range(len(SPECIALS), tokenizer.vocab_size):
            text = tokenizer.token_bytes(token).decode("utf-8", "ignore")
            if text.encode() == tokenizer.token_bytes(token):
                assert server.post("/detokenize", {"tokens": [token]})["content"] == text
        for cut in (40, 111, 180, 256, 333):
            ids = tokenizer.encode(rust[:cut])[-150:]
            ours = engine.generate(Prompt(tuple(ids)), GenerateOptions(max_new_tokens=24))
            asked = {
                "prompt": ids,
                "n_predict": 24,
                "temperature": 0,
                "return_tokens": True,
                "logit_bias": [[token, False] for token in NEVER_WRITTEN],
            }
            theirs = server.post("/completion", asked)["tokens"]
            written = [token for token in theirs if token >= len(SPECIALS)]
            assert written[: len(ours.ids)] == list(ours.ids)
    finally:
        server.close()
