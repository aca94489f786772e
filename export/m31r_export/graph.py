"""The decoder as an ONNX graph for ONNX Runtime on a CPU.

Inputs: `input_ids` int64 [B, S], the new tokens of B sequences of one length; `logit_rows` int64
[R], the places in S whose next-token logits are wanted; `last_position` int32 [B], the place of
the last new token in each sequence; `total_length` int32 [], their length with the new tokens; for
each layer `past_key_values.N.key` and `.value`, float32 [B, kv_heads, capacity, 64].
Outputs: `logits` float32 [B, R, V] and the caches `present.N.key` and `.value`.

Only what the logits need is computed: the last layer goes on, behind its attention, with
`logit_rows` alone. Query, key and value are one product, and so are gate and up; QK-norm takes
queries and keys together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from m31r_core.bundle import Quant
from m31r_core.model import HEAD_DIM, ModelConfig
from m31r_export.onnx_file import Graph
from m31r_export.quantise import DEFAULT_BLOCK, fitting_block, quantise

Weights = Mapping[str, NDArray[np.float32]]

_OPSETS = (("", 21), ("com.microsoft", 1))
_IR_VERSION = 10
# MatMulNBits: quantise activations to int8 and multiply integers.
_ACCURACY_LEVEL = 4


def build_graph(
    weights: Weights, config: ModelConfig, quant: Quant, block: int | None = None
) -> Graph:
    """Return the graph of a checkpoint's `weights`, by their Hugging Face names.

    `int8` and `int4` quantise matrices symmetrically, in blocks of `block` weights along the input
    dimension or of the next smaller size that divides it; docs/benchmarks.md has what each size
    costs. The embedding, shared with the output layer, has 8 bits in both. Raises M31RError for a
    matrix that no block size divides.
    """
    graph = _Builder(config, quant, block or DEFAULT_BLOCK[quant])
    graph.decoder(weights)
    return Graph(graph.model(), graph.constants)


class _Builder:
    """Collects nodes and initialisers; methods return the names of the values they add."""

    def __init__(self, config: ModelConfig, quant: Quant, block: int) -> None:
        self.config = config
        self.bits = {"fp32": 0, "int8": 8, "int4": 4}[quant]
        self.block = block
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, NDArray[np.generic]] = {}

    def decoder(self, weights: Weights) -> None:
        config = self.config
        embedding = weights["model.embed_tokens.weight"]
        x = self.embed(embedding)
        cosine, sine = _rotations(config)
        self.constant("cosine", cosine)
        self.constant("sine", sine)
        branch = ""
        for layer in range(config.layers):
            name = f"model.layers.{layer}"
            gamma = weights[f"{name}.input_layernorm.weight"]
            normed, x = self.norm(f"{name}.input_layernorm", x, branch, gamma)
            branch = self.attention(layer, normed, weights)
            if layer == config.layers - 1:
                branch = self.add("Gather", [branch, "logit_rows"], f"{name}.rows", axis=1)
                x = self.add("Gather", [x, "logit_rows"], f"{name}.residual_rows", axis=1)
            branch = self.matmul(
                f"{name}.o_proj", branch, weights[f"{name}.self_attn.o_proj.weight"]
            )
            gamma = weights[f"{name}.post_attention_layernorm.weight"]
            normed, x = self.norm(f"{name}.post_attention_layernorm", x, branch, gamma)
            branch = self.feed_forward(f"{name}.mlp", normed, weights)
        normed, _ = self.norm("model.norm", x, branch, weights["model.norm.weight"])
        self.output_layer(normed, embedding)

    def embed(self, matrix: NDArray[np.float32]) -> str:
        if not self.bits:
            self.constant("embedding", matrix)
            return self.add("Gather", ["embedding", "input_ids"], "embed")
        block = self.block_of(matrix)
        quantised = quantise(matrix, 8, block)
        self.constant("embedding", quantised.data.reshape(matrix.shape))
        self.constant("embedding.scales", quantised.scales)
        return self.add(
            "GatherBlockQuantized",
            ["embedding", "input_ids", "embedding.scales"],
            "embed",
            bits=8,
            block_size=block,
            gather_axis=0,
            quantize_axis=1,
        )

    def output_layer(self, x: str, matrix: NDArray[np.float32]) -> None:
        if not self.bits:
            weight = self.add("Transpose", ["embedding"], "lm_head.weight", perm=[1, 0])
            self.add("MatMul", [x, weight], "logits")
            return
        block = self.block_of(matrix)
        shape = np.array([len(matrix), matrix.shape[1] // block, block], np.int64)
        weight = self.add(
            "Reshape", ["embedding", self.constant("blocks", shape)], "lm_head.weight"
        )
        self.product("logits", x, weight, "embedding.scales", matrix, 8)

    def attention(self, layer: int, x: str, weights: Weights) -> str:
        config = self.config
        name = f"model.layers.{layer}.self_attn"
        parts = [weights[f"{name}.{part}_proj.weight"] for part in "qkv"]
        packed = self.matmul(f"{name}.qkv", x, np.concatenate(parts))
        queries, keys, values = (len(part) for part in parts)
        sizes = self.constant("qk_v", np.array([queries + keys, values], np.int64))
        both, value = self.split(f"{name}.split", packed, sizes, 2)
        both = self.head_norm(f"{name}.qk_norm", both, self.head_gammas(name, weights))
        sizes = self.constant("q_k", np.array([queries, keys], np.int64))
        query, key = self.split(f"{name}.split_qk", both, sizes, 2)
        caches = [f"past_key_values.{layer}.key", f"past_key_values.{layer}.value"]
        lengths = ["last_position", "total_length"]
        output = f"{name}.output"
        self.nodes.append(
            helper.make_node(
                "GroupQueryAttention",
                [query, key, value, *caches, *lengths, "cosine", "sine"],
                [output, f"present.{layer}.key", f"present.{layer}.value"],
                name,
                domain="com.microsoft",
                num_heads=config.heads,
                kv_num_heads=config.kv_heads,
                do_rotary=1,
            )
        )
        return output

    def head_gammas(self, name: str, weights: Weights) -> NDArray[np.float32]:
        """Return QK-norm's weights [1, 1, heads + kv_heads, 64], one row for each head."""
        query = np.tile(weights[f"{name}.q_norm.weight"], (self.config.heads, 1))
        key = np.tile(weights[f"{name}.k_norm.weight"], (self.config.kv_heads, 1))
        return np.concatenate([query, key])[None, None]

    def head_norm(self, name: str, x: str, gammas: NDArray[np.float32]) -> str:
        """Return `x` [B, S, N·64] with each head normalised by itself."""
        heads = self.constant("heads", np.array([0, 0, -1, HEAD_DIM], np.int64))
        flat = self.constant("flat", np.array([0, 0, -1], np.int64))
        split = self.add("Reshape", [x, heads], f"{name}.heads")
        normed, _ = self.norm(name, split, "", gammas)
        return self.add("Reshape", [normed, flat], f"{name}.flat")

    def feed_forward(self, name: str, x: str, weights: Weights) -> str:
        parts = [weights[f"{name}.{part}_proj.weight"] for part in ("gate", "up")]
        packed = self.matmul(f"{name}.gate_up", x, np.concatenate(parts))
        sizes = self.constant("gate_up", np.array([len(part) for part in parts], np.int64))
        gate, up = self.split(f"{name}.split", packed, sizes, 2)
        gate = self.add("QuickGelu", [gate], f"{name}.silu", alpha=1.0)
        gated = self.add("Mul", [gate, up], f"{name}.gated")
        return self.matmul(f"{name}.down_proj", gated, weights[f"{name}.down_proj.weight"])

    def norm(self, name: str, x: str, branch: str, gamma: NDArray[np.float32]) -> tuple[str, str]:
        """Return RMSNorm of `x` plus `branch` (if any), and that sum."""
        self.constant(f"{name}.weight", gamma)
        epsilon = self.config.norm_epsilon
        if not branch:
            inputs = [x, f"{name}.weight"]
            return self.add("SimplifiedLayerNormalization", inputs, name, epsilon=epsilon), x
        self.nodes.append(
            helper.make_node(
                "SkipSimplifiedLayerNormalization",
                [x, branch, f"{name}.weight"],
                [name, "", "", f"{name}.sum"],
                name,
                domain="com.microsoft",
                epsilon=epsilon,
            )
        )
        return name, f"{name}.sum"

    def matmul(self, name: str, x: str, matrix: NDArray[np.float32]) -> str:
        """Return `x` [..., K] times the transpose of `matrix` [N, K]."""
        if not self.bits:
            self.constant(f"{name}.weight", np.ascontiguousarray(matrix.T))
            return self.add("MatMul", [x, f"{name}.weight"], name)
        quantised = quantise(matrix, self.bits, self.block_of(matrix))
        self.constant(f"{name}.weight", quantised.data)
        self.constant(f"{name}.scales", quantised.scales)
        return self.product(name, x, f"{name}.weight", f"{name}.scales", matrix, self.bits)

    def product(
        self, name: str, x: str, weight: str, scales: str, matrix: NDArray[np.float32], bits: int
    ) -> str:
        return self.add(
            "MatMulNBits",
            [x, weight, scales],
            name,
            N=matrix.shape[0],
            K=matrix.shape[1],
            bits=bits,
            block_size=self.block_of(matrix),
            accuracy_level=_ACCURACY_LEVEL,
        )

    def block_of(self, matrix: NDArray[np.float32]) -> int:
        return fitting_block(matrix.shape[1], self.block)

    def split(self, name: str, x: str, sizes: str, count: int) -> list[str]:
        outputs = [f"{name}.{i}" for i in range(count)]
        self.nodes.append(helper.make_node("Split", [x, sizes], outputs, name, axis=-1))
        return outputs

    def add(self, kind: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Add a node whose single output is called like itself."""
        domain = "com.microsoft" if kind in _CONTRIBUTED else ""
        self.nodes.append(helper.make_node(kind, inputs, [name], name, domain=domain, **attributes))
        return name

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        """Add an initialiser, unless one of that name is there."""
        self.constants.setdefault(name, np.ascontiguousarray(value))
        return name

    def model(self) -> onnx.ModelProto:
        config = self.config
        cache: list[int | str | None] = ["sequences", config.kv_heads, "capacity", HEAD_DIM]
        caches = [f"{i}.{part}" for i in range(config.layers) for part in ("key", "value")]
        value = helper.make_tensor_value_info
        inputs = [
            value("input_ids", TensorProto.INT64, ["sequences", "tokens"]),
            value("logit_rows", TensorProto.INT64, ["rows"]),
            value("last_position", TensorProto.INT32, ["sequences"]),
            value("total_length", TensorProto.INT32, []),
            *(value(f"past_key_values.{name}", TensorProto.FLOAT, cache) for name in caches),
        ]
        outputs = [
            value("logits", TensorProto.FLOAT, ["sequences", "rows", config.vocab_size]),
            *(value(f"present.{name}", TensorProto.FLOAT, cache) for name in caches),
        ]
        graph = helper.make_graph(self.nodes, "decoder", inputs, outputs)
        opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS]
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="m31r"
        )


_CONTRIBUTED = {"MatMulNBits", "GatherBlockQuantized", "QuickGelu"}


def _rotations(config: ModelConfig) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return cosine and sine, float32 [context, 32], of RoPE (Su et al. 2021)."""
    half = np.arange(0, HEAD_DIM, 2, dtype=np.float32) / np.float32(HEAD_DIM)
    positions = np.arange(config.context_length, dtype=np.float32)
    angles = np.outer(positions, np.float32(config.rope_theta) ** -half)
    return np.cos(angles), np.sin(angles)
