"""A checkpoint as a GGUF file, for llama.cpp and what is built on it.

The weights are llama.cpp's own formats: F32, Q8_0 or Q4_0 with the embedding in Q8_0, blocks of 32.
The vocabulary is ours, id for id. llama.cpp knows pieces that text is cut into before merging by
name only, and ours have none there: it cuts names at underscores, and what it makes of a text can
differ from ours. Give it token ids where the two must agree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np
from gguf.quants import quantize
from numpy.typing import NDArray

from m31r_core.bundle import Quant
from m31r_core.errors import M31RError
from m31r_core.model import HEAD_DIM, ModelConfig
from m31r_core.tokenizer import END, MIDDLE, PAD, PREFIX, SPECIALS, SUFFIX

_ARCHITECTURE = "qwen3"
# The nearest of those that llama.cpp knows.
_PIECES = "gpt-2"
_FORMATS: Mapping[Quant, tuple[gguf.GGMLQuantizationType, gguf.LlamaFileType]] = {
    "fp32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    "int8": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
    "int4": (gguf.GGMLQuantizationType.Q4_0, gguf.LlamaFileType.MOSTLY_Q4_0),
}
_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def write_gguf(
    path: Path,
    weights: Mapping[str, NDArray[np.float32]],
    config: ModelConfig,
    tokenizer: Path,
    *,
    name: str,
    quant: Quant,
) -> None:
    """Write `weights`, by their Hugging Face names, and the vocabulary of `tokenizer` to `path`.

    Raises M31RError naming `tokenizer` when it is not of the kind that this project trains.
    """
    writer = gguf.GGUFWriter(path, _ARCHITECTURE)
    writer.add_name(name)
    writer.add_context_length(config.context_length)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    writer.add_layer_norm_rms_eps(config.norm_epsilon)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_vocab_size(config.vocab_size)
    _add_vocabulary(writer, tokenizer)
    wanted, file_type = _FORMATS[quant]
    writer.add_file_type(file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    for key, value in weights.items():
        kind = _kind(key, value, wanted)
        if kind == gguf.GGMLQuantizationType.F32:
            writer.add_tensor(_name(key), np.ascontiguousarray(value, np.float32))
        else:
            writer.add_tensor(_name(key), quantize(value, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_vocabulary(writer: gguf.GGUFWriter, tokenizer: Path) -> None:
    try:
        model = json.loads(tokenizer.read_text(encoding="utf-8"))["model"]
        tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
        merges = [each if isinstance(each, str) else " ".join(each) for each in model["merges"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise M31RError(f"{tokenizer}: no byte-level BPE in Hugging Face's format") from error
    kinds = [gguf.TokenType.CONTROL] * len(SPECIALS)
    kinds += [gguf.TokenType.NORMAL] * (len(tokens) - len(SPECIALS))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_PIECES)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(END)
    writer.add_eos_token_id(END)
    writer.add_pad_token_id(PAD)
    writer.add_add_bos_token(False)
    for role, token in (("fim_pre", PREFIX), ("fim_suf", SUFFIX), ("fim_mid", MIDDLE)):
        writer.add_uint32(f"tokenizer.ggml.{role}_token_id", token)


def _kind(
    key: str, value: NDArray[np.float32], wanted: gguf.GGMLQuantizationType
) -> gguf.GGMLQuantizationType:
    block = gguf.GGML_QUANT_SIZES[wanted][0]
    if value.ndim < 2 or value.shape[-1] % block:
        return gguf.GGMLQuantizationType.F32
    if wanted == gguf.GGMLQuantizationType.Q4_0 and "embed_tokens" in key:
        return gguf.GGMLQuantizationType.Q8_0
    return wanted


def _name(key: str) -> str:
    stem = key.removesuffix(".weight").removeprefix("model.")
    if stem == "embed_tokens":
        return "token_embd.weight"
    if stem == "norm":
        return "output_norm.weight"
    _, layer, part = stem.split(".", 2)
    return f"blk.{layer}.{_NAMES[part]}.weight"
