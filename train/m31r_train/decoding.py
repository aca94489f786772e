"""Greedy decoding of many prompts at once in PyTorch, to look at a model while it trains.

The engine (`m31r_core.engine`) is what users run; this needs no export, and decodes a batch. Given
the same weights in float32, both write the same tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from m31r_core.model import Decoder
from m31r_core.prompt import Prompt
from m31r_core.tokenizer import NEVER_WRITTEN, PAD, SPECIALS, Tokenizer

# Prompts that are computed together; more only take more memory.
_BATCH = 16


@dataclass(frozen=True)
class Written:
    """What a model wrote after a prompt, without what was healed, and whether it ended itself.

    A line is the text before the first newline; it did not end itself when it went on behind it.
    """

    text: str
    ended: bool


def complete_lines(
    model: Decoder, tokenizer: Tokenizer, prompts: Sequence[Prompt], max_new_tokens: int
) -> list[Written]:
    """Return the line that `model` writes after each prompt, the likeliest token each time.

    Prompt and line may not be longer than the model's context. No random number is drawn.
    """
    rows = [_Row(tokenizer, prompt) for prompt in prompts]
    # Prompts of like length stand together: less padding.
    by_length = sorted(rows, key=lambda row: len(row.prompt.ids))
    for first in range(0, len(rows), _BATCH):
        _decode(model, by_length[first : first + _BATCH], max_new_tokens)
    return [row.written() for row in rows]


class _Row:
    """A prompt, what was written after it, and what is left of the bytes to begin with."""

    def __init__(self, tokenizer: Tokenizer, prompt: Prompt) -> None:
        self.prompt, self.ended, self.done = prompt, False, False
        self._tokenizer, self._rest, self._bytes = tokenizer, prompt.healed, b""

    def add(self, logits: Tensor) -> int:
        """Take the likeliest token of logits [V] and return it; PAD when the row is done."""
        if self.done:
            return PAD
        if self._rest:
            allowed = torch.from_numpy(self._tokenizer.tokens_compatible_with(self._rest))
            token = int(allowed[logits[allowed].argmax()])
        else:
            token = int(logits.argmax())
        self.ended = token < len(SPECIALS)
        data = b"" if self.ended else self._tokenizer.token_bytes(token)
        self._bytes += data[len(self._rest) :]
        self._rest = self._rest[len(data) :]
        self.done = self.ended or b"\n" in self._bytes
        return token

    def written(self) -> Written:
        line = self._bytes.partition(b"\n")[0]
        return Written(line.decode("utf-8", errors="replace"), self.ended)


@torch.no_grad()
def _decode(model: Decoder, rows: Sequence[_Row], max_new_tokens: int) -> None:
    """Write up to `max_new_tokens` tokens to each row."""
    device = model.model.embed_tokens.weight.device
    lengths = torch.tensor([len(row.prompt.ids) for row in rows])
    longest = int(lengths.max())
    ids = torch.tensor(
        [[*row.prompt.ids] + [PAD] * (longest - len(row.prompt.ids)) for row in rows]
    )
    positions = torch.arange(longest).expand(len(rows), -1)
    last = lengths - 1
    with _cached(model, longest + max_new_tokens) as cache:
        for _ in range(max_new_tokens):
            hidden = cache.hidden(model, ids.to(device), positions.to(device))
            at_end = hidden[torch.arange(len(rows)), last.to(device)]
            logits = F.linear(at_end, model.model.embed_tokens.weight).float().cpu()
            logits[:, list(NEVER_WRITTEN)] = -torch.inf
            ids = torch.tensor([[row.add(each)] for row, each in zip(rows, logits, strict=True)])
            if all(row.done for row in rows):
                return
            positions, last = lengths[:, None], torch.zeros_like(last)
            lengths = lengths + 1


@contextmanager
def _cached(model: Decoder, room: int) -> Iterator[_Cache]:
    """Let the layers of `model` attend to a cache of `room` places, until the context is left."""
    cache = _Cache(room)
    attentions = [cast(Any, block.self_attn) for block in model.model.layers]
    before = [attention.attend for attention in attentions]
    try:
        for attention in attentions:
            attention.attend = cache.attend
        yield cache
    finally:
        for attention, attend in zip(attentions, before, strict=True):
            attention.attend = attend


class _Cache:
    """Keys and values of the tokens before, for a decoder that has no cache of its own.

    Rows are padded at their end: what a place of padding holds is overwritten before it is seen.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        self._layer = 0
        self._positions = torch.empty(0)

    def hidden(self, model: Decoder, ids: Tensor, positions: Tensor) -> Tensor:
        """Return the last hidden states [B, T, D] of ids at positions, int64 [B, T] both."""
        self._positions, self._layer = positions, 0
        cosine, sine = (cast(Tensor, table)[positions] for table in (model.cosine, model.sine))
        x = model.model.embed_tokens(ids)
        for block in model.model.layers:
            x = block(x, cosine, sine)
        return cast(Tensor, model.model.norm(x))

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend to the tokens before too, and remember `key` and `value`; once for each layer."""
        used = int(self._positions.max()) + 1
        keys = self._extended(self._keys, key)[:, :, :used]
        values = self._extended(self._values, value)[:, :, :used]
        self._layer += 1
        seen = torch.arange(used, device=query.device) <= self._positions[:, None, :, None]
        return F.scaled_dot_product_attention(query, keys, values, attn_mask=seen, enable_gqa=True)

    def _extended(self, layers: list[Tensor], new: Tensor) -> Tensor:
        """Return all keys or values of the present layer, [B, heads, room, size], with `new`."""
        if self._layer == len(layers):
            batch, heads, _, size = new.shape
            layers.append(new.new_zeros(batch, heads, self._room, size))
        index = self._positions[:, None, :, None].expand_as(new)
        return layers[self._layer].scatter_(2, index, new)
