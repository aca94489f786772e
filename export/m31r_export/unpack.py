"""Bundle back to checkpoint: what a user has who installed M31R, made into what can be trained.

The weights are those that the bundle computes with, so exporting the checkpoint again at the same
quantisation gives the same graph, byte for byte.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import numpy_helper

from m31r_core.bundle import MODEL_CARD, TOKENIZER, Bundle, BundleError, Quant
from m31r_core.errors import ConfigError
from m31r_core.model import HEAD_DIM, ModelConfig, save_checkpoint
from m31r_core.tokenizer import Tokenizer
from m31r_export.checkpoint import RUN_FILE, RunInfo
from m31r_export.quantise import dequantise

_BITS: dict[Quant, int] = {"fp32": 32, "int8": 8, "int4": 4}

Constants = Mapping[str, NDArray[np.generic]]


def unpack_bundle(bundle: Bundle, out: Path) -> ModelConfig:
    """Write the Hugging Face folder `out`, float32, from the graph of `bundle`; return the sizes.

    What an int8 or int4 bundle lost in quantisation stays lost. Raises ConfigError when `out`
    holds something, BundleError naming the file for a graph that is not of our making.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out}: exists; choose another folder")
    try:
        graph = onnx.load(bundle.model).graph
        constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        config = _sizes(bundle, graph, constants)
        weights = _weights(constants, config, _BITS[bundle.manifest.quant])
    except (DecodeError, KeyError, ValueError) as error:
        raise BundleError(f"{bundle.model}: not a graph of m31r-train export ({error})") from error
    state = {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}
    save_checkpoint(out, state, config, Tokenizer.load(bundle.tokenizer))
    for name in (TOKENIZER, MODEL_CARD):
        shutil.copyfile(bundle.path / name, out / name)
    run = {name: getattr(bundle.manifest, name) for name in RunInfo.__dataclass_fields__}
    (out / RUN_FILE).write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
    return config


def _sizes(bundle: Bundle, graph: onnx.GraphProto, constants: Constants) -> ModelConfig:
    manifest, shape = bundle.manifest, bundle.manifest.architecture
    epsilons = {
        attribute.f
        for node in graph.node
        for attribute in node.attribute
        if attribute.name == "epsilon"
    }
    (epsilon,) = epsilons
    # Position 1 is turned by theta^(-2i/64) in pair i; half of the way, by theta^(-1/2).
    angle = np.arcsin(float(constants["sine"][1, HEAD_DIM // 4]))
    return ModelConfig(
        vocab_size=manifest.vocab_size,
        hidden_size=shape.hidden_size,
        layers=shape.layers,
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        intermediate_size=shape.intermediate_size,
        context_length=manifest.context_length,
        rope_theta=_as_written(angle**-2),
        norm_epsilon=_as_written(epsilon),
    )


def _as_written(value: float) -> float:
    """Return the number that was meant by one of float32: rounded to 6 digits."""
    return float(f"{value:.5e}")


def _weights(
    constants: Constants, config: ModelConfig, bits: int
) -> dict[str, NDArray[np.float32]]:
    """Return the parameters by their Hugging Face names."""
    queries, keys = config.heads * HEAD_DIM, config.kv_heads * HEAD_DIM
    weights = {
        "model.embed_tokens.weight": _embedding(constants),
        "model.norm.weight": constants["model.norm.weight"].astype(np.float32),
    }
    for layer in range(config.layers):
        name = f"model.layers.{layer}"
        packed = _matrix(constants, f"{name}.self_attn.qkv", bits)
        parts = np.split(packed, [queries, queries + keys])
        for part, matrix in zip("qkv", parts, strict=True):
            weights[f"{name}.self_attn.{part}_proj.weight"] = matrix
        gammas = constants[f"{name}.self_attn.qk_norm.weight"].astype(np.float32)[0, 0]
        weights[f"{name}.self_attn.q_norm.weight"] = gammas[0]
        weights[f"{name}.self_attn.k_norm.weight"] = gammas[config.heads]
        weights[f"{name}.self_attn.o_proj.weight"] = _matrix(constants, f"{name}.o_proj", bits)
        gate, up = np.split(_matrix(constants, f"{name}.mlp.gate_up", bits), 2)
        weights[f"{name}.mlp.gate_proj.weight"] = gate
        weights[f"{name}.mlp.up_proj.weight"] = up
        weights[f"{name}.mlp.down_proj.weight"] = _matrix(constants, f"{name}.mlp.down_proj", bits)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            weights[f"{name}.{norm}.weight"] = constants[f"{name}.{norm}.weight"].astype(np.float32)
    return weights


def _embedding(constants: Constants) -> NDArray[np.float32]:
    data = constants["embedding"]
    if "embedding.scales" not in constants:
        return data.astype(np.float32)
    scales = constants["embedding.scales"]
    return dequantise(data.reshape(*scales.shape, -1), scales, 8)


def _matrix(constants: Constants, name: str, bits: int) -> NDArray[np.float32]:
    """Return the matrix [N, K] of a product, dequantised where it has scales."""
    data = constants[f"{name}.weight"]
    if f"{name}.scales" not in constants:
        return np.ascontiguousarray(data.T).astype(np.float32)
    return dequantise(data, constants[f"{name}.scales"], bits)
