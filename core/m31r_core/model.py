"""The decoder in PyTorch: Qwen3's shape, so that other tools can run our checkpoints.

Pre-norm residual blocks of grouped-query attention with RoPE and QK-norm, and SwiGLU; RMSNorm;
tied embeddings. Parameter names are those of a Hugging Face Qwen3 checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from m31r_core.config import from_mapping
from m31r_core.errors import ConfigError, M31RError
from m31r_core.tokenizer import END, PAD, Tokenizer

HEAD_DIM = 64
_QUERY_BLOCK = 128


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a decoder. All are counts; `rope_theta` is the base of the rotary frequencies."""

    vocab_size: int
    hidden_size: int
    layers: int
    heads: int
    kv_heads: int
    intermediate_size: int
    context_length: int
    rope_theta: float = 10_000.0
    norm_epsilon: float = 1e-6

    def __post_init__(self) -> None:
        """Raise ValueError, naming the key, for sizes that no decoder can have."""
        for name, value in asdict(self).items():
            if value <= 0:
                raise ValueError(f"'{name}' must be positive, not {value}")
        if self.heads % self.kv_heads:
            raise ValueError(f"'heads' ({self.heads}) must be a multiple of 'kv_heads'")

    @property
    def parameters(self) -> int:
        """Number of weights; the embedding, shared with the output layer, counts once."""
        attention = 2 * self.hidden_size * (self.heads + self.kv_heads) * HEAD_DIM + 2 * HEAD_DIM
        block = attention + 3 * self.hidden_size * self.intermediate_size + 2 * self.hidden_size
        return self.vocab_size * self.hidden_size + self.layers * block + self.hidden_size

    def flops_per_token(self, sequence: int) -> float:
        """Floating-point operations of a training step for each token.

        6 for each weight and 6 for each of the causal attention's products (Chowdhery et al.
        2022, appendix B, halved for the mask).
        """
        attention = 6 * self.layers * self.heads * HEAD_DIM * sequence
        return 6 * self.parameters + attention


class _RMSNorm(nn.Module):
    """Root-mean-square normalisation (Zhang & Sennrich 2019), computed in float32."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        scale = torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.epsilon)
        return (wide * scale).to(x.dtype) * self.weight


class _Attention(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        size, queries, keys = (
            config.hidden_size,
            config.heads * HEAD_DIM,
            config.kv_heads * HEAD_DIM,
        )
        # What mixes the values; decoding with a cache puts its own in the place of it.
        self.attend: Callable[[Tensor, Tensor, Tensor], Tensor] = causal_attention
        self.q_proj = nn.Linear(size, queries, bias=False)
        self.k_proj = nn.Linear(size, keys, bias=False)
        self.v_proj = nn.Linear(size, keys, bias=False)
        self.o_proj = nn.Linear(queries, size, bias=False)
        self.q_norm = _RMSNorm(HEAD_DIM, config.norm_epsilon)
        self.k_norm = _RMSNorm(HEAD_DIM, config.norm_epsilon)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        batch, length, _ = x.shape
        split = (batch, length, -1, HEAD_DIM)
        q = _rotate(self.q_norm(self.q_proj(x).view(split)), cosine, sine).transpose(1, 2)
        k = _rotate(self.k_norm(self.k_proj(x).view(split)), cosine, sine).transpose(1, 2)
        v = self.v_proj(x).view(split).transpose(1, 2)
        mixed = self.attend(q, k, v)
        return cast(Tensor, self.o_proj(mixed.transpose(1, 2).reshape(batch, length, -1)))


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return softmax(q kT / 8) v, each position with those up to it: [B, H, T, 64] in q's dtype.

    q [B, H, T, 64]; k and v [B, K, T, 64], where H is a multiple of K.
    """
    if q.device.type == "cpu":
        return _blockwise_attention(q, k, v)
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)


def _blockwise_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attend block of queries by block, to no later block of keys.

    As matrix products and a softmax in float32. docs/training-speed.md compares it with PyTorch's
    flash attention on a CPU.
    """
    groups, length = q.shape[1] // k.shape[1], q.shape[2]
    q = (q * HEAD_DIM**-0.5).unflatten(1, (-1, groups))
    blocks = []
    for start in range(0, length, _QUERY_BLOCK):
        end = min(start + _QUERY_BLOCK, length)
        # The heads that share keys are rows of one product.
        rows = q[:, :, :, start:end].flatten(2, 3)
        scores = (rows @ k[:, :, :end].mT).unflatten(2, (groups, -1)).float()
        seen = torch.ones(end - start, end, dtype=torch.bool, device=q.device).tril(start)
        shares = scores.masked_fill(~seen, -torch.inf).softmax(-1).to(v.dtype).flatten(2, 3)
        blocks.append((shares @ v[:, :, :end]).unflatten(2, (groups, -1)))
    return torch.cat(blocks, 3).flatten(1, 2)


class _SwiGLU(nn.Module):
    """The gated feed-forward layer of Shazeer (2020)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x)))


class _Block(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.input_layernorm = _RMSNorm(config.hidden_size, config.norm_epsilon)
        self.self_attn = _Attention(config)
        self.post_attention_layernorm = _RMSNorm(config.hidden_size, config.norm_epsilon)
        self.mlp = _SwiGLU(config)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cosine, sine)
        return cast(Tensor, x + self.mlp(self.post_attention_layernorm(x)))


class _Trunk(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(_Block(config) for _ in range(config.layers))
        self.norm = _RMSNorm(config.hidden_size, config.norm_epsilon)


class Decoder(nn.Module):
    """The model. Weights start at random from PyTorch's global generator."""

    def __init__(self, config: ModelConfig) -> None:
        """Initialise: matrices N(0, 0.02), those that write to the residual stream zero."""
        super().__init__()
        self.config = config
        self.model = _Trunk(config)
        for name, parameter in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(parameter)
            elif parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02)
        cosine, sine = _rotations(config)
        self.register_buffer("cosine", cosine, persistent=False)
        self.register_buffer("sine", sine, persistent=False)

    def hidden(self, ids: Tensor) -> Tensor:
        """Return the last hidden states, weights' dtype [B, T, D], of ids int64 [B, T]."""
        length = ids.shape[1]
        cosine, sine = cast(Tensor, self.cosine)[:length], cast(Tensor, self.sine)[:length]
        x = self.model.embed_tokens(ids)
        for block in self.model.layers:
            x = block(x, cosine, sine)
        return cast(Tensor, self.model.norm(x))

    def forward(self, ids: Tensor) -> Tensor:
        """Return next-token logits float32 [B, T, V] of ids int64 [B, T]."""
        return F.linear(self.hidden(ids), self.model.embed_tokens.weight).float()


def _rotations(config: ModelConfig) -> tuple[Tensor, Tensor]:
    """Return cosine and sine, float32 [context, 1, 32], of RoPE (Su et al. 2021)."""
    half = torch.arange(0, HEAD_DIM, 2, dtype=torch.float32) / HEAD_DIM
    positions = torch.arange(config.context_length, dtype=torch.float32)
    angles = torch.outer(positions, config.rope_theta**-half)[:, None, :]
    return angles.cos(), angles.sin()


def _rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate the halves of each head, x [B, T, H, 64], by its position's angles."""
    first, second = x.float().chunk(2, -1)
    rotated = torch.cat((first * cosine - second * sine, second * cosine + first * sine), -1)
    return rotated.to(x.dtype)


def save_checkpoint(
    directory: Path, state: Mapping[str, Tensor], config: ModelConfig, tokenizer: Tokenizer
) -> None:
    """Write a Hugging Face folder: `config.json`, `model.safetensors`, `tokenizer.json`.

    `state` is a state dict of `Decoder`, of any dtype. The weights are written to a temporary
    name and renamed, so that no half-written file is ever found.
    """
    directory.mkdir(parents=True, exist_ok=True)
    dtype = str(next(iter(state.values())).dtype).removeprefix("torch.")
    content = json.dumps(_to_hugging_face(config, dtype), indent=2) + "\n"
    (directory / "config.json").write_text(content)
    tokenizer.save(directory / "tokenizer.json")
    partial = directory / "model.safetensors.partial"
    save_file(
        {name: value.contiguous() for name, value in state.items()}, partial, {"format": "pt"}
    )
    partial.replace(directory / "model.safetensors")


def load_checkpoint(directory: Path) -> tuple[Decoder, ModelConfig]:
    """Read a checkpoint folder as a float32 decoder. Raises M31RError naming the file."""
    config = load_config(directory)
    path = directory / "model.safetensors"
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise M31RError(f"{path}: cannot read the weights ({error})") from error
    decoder = Decoder(config)
    try:
        decoder.load_state_dict({name: value.float() for name, value in state.items()})
    except RuntimeError as error:
        raise M31RError(f"{path}: {str(error).splitlines()[-1].strip()}") from error
    return decoder.eval(), config


def load_config(directory: Path) -> ModelConfig:
    """Read `config.json` of a checkpoint folder. Raises M31RError naming the file."""
    path = directory / "config.json"
    try:
        return _from_hugging_face(json.loads(path.read_text()), str(path))
    except (OSError, json.JSONDecodeError) as error:
        raise M31RError(f"{path}: cannot read the checkpoint's configuration ({error})") from error


_HUGGING_FACE_KEYS = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "intermediate_size": "intermediate_size",
    "context_length": "max_position_embeddings",
    "norm_epsilon": "rms_norm_eps",
}


def _to_hugging_face(config: ModelConfig, dtype: str) -> dict[str, Any]:
    sizes = {theirs: getattr(config, ours) for ours, theirs in _HUGGING_FACE_KEYS.items()}
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        **sizes,
        "head_dim": HEAD_DIM,
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "rope_theta": config.rope_theta,
        "tie_word_embeddings": True,
        "use_sliding_window": False,
        "use_cache": True,
        "bos_token_id": END,
        "eos_token_id": END,
        "pad_token_id": PAD,
        "torch_dtype": dtype,
    }


def _from_hugging_face(data: Mapping[str, Any], where: str) -> ModelConfig:
    if data.get("model_type") != "qwen3" or data.get("head_dim") != HEAD_DIM:
        raise ConfigError(f"{where}: not a Qwen3 model with heads of {HEAD_DIM}")
    sizes = {ours: data[theirs] for ours, theirs in _HUGGING_FACE_KEYS.items() if theirs in data}
    return from_mapping({**sizes, "rope_theta": data["rope_theta"]}, ModelConfig, where)
