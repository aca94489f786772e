"""The adapter and its training: peft's LoRA inside our own decoder.

peft takes any module whose linear layers have names, so the decoder stays ours: the same rows, and
no second implementation of the model.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from m31r_core.errors import ConfigError
from m31r_core.model import Decoder, load_checkpoint
from m31r_train.adapt.config import AdaptConfig, LoraConfig
from m31r_train.rows import Batch

# Before peft is imported, which could otherwise ask a server for what is newer.
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")


@dataclass(frozen=True)
class AdapterStep:
    """What a step measured: `loss` in nats a token (weighted mean), and tokens."""

    loss: float
    tokens: int


class Adapter:
    """A decoder of frozen weights with a trainable adapter, and its optimiser (AdamW, float32)."""

    def __init__(self, checkpoint: Path, config: AdaptConfig) -> None:
        """Load the checkpoint; the adapter starts as one that changes nothing.

        Raises M31RError naming the file that cannot be read, ConfigError naming 'lora.targets' for
        a matrix that the model has not.
        """
        torch.manual_seed(config.seed)
        self._checkpoint, self._config = checkpoint, config
        decoder, self.sizes = load_checkpoint(checkpoint)
        self._decoder = decoder.to(getattr(torch, config.dtype))
        self._peft = attach(self._decoder, config.lora)
        self._weights = [each for each in self._peft.parameters() if each.requires_grad]
        pace = config.pace
        self._optimiser = torch.optim.AdamW(
            self._weights,
            lr=pace.rate,
            betas=(pace.betas[0], pace.betas[1]),
            weight_decay=pace.weight_decay,
        )

    @property
    def parameters(self) -> int:
        """Number of trainable weights."""
        return sum(each.numel() for each in self._weights)

    def step(self, batch: Batch, factor: float) -> AdapterStep:
        """Do one optimiser step on `batch`, the rate multiplied by `factor` (0 to 1)."""
        self._peft.train()
        weights = torch.from_numpy(batch.weights)
        loss = (self._losses(batch) * weights).sum() / weights.sum()
        loss.backward()
        nn.utils.clip_grad_norm_(self._weights, self._config.pace.clip_norm)
        for group in self._optimiser.param_groups:
            group["lr"] = self._config.pace.rate * factor
        self._optimiser.step()
        self._optimiser.zero_grad()
        return AdapterStep(float(loss.detach()), int((batch.weights > 0).sum()))

    @torch.no_grad()
    def mean_loss(self, batches: Sequence[Batch]) -> float:
        """Return the mean negative log likelihood of `batches`, nats a token, all weighed alike.

        Of no batches it is NaN.
        """
        self._peft.eval()
        total = count = 0.0
        for batch in batches:
            counted = torch.from_numpy(batch.weights > 0)
            total += float(self._losses(batch)[counted].sum())
            count += int(counted.sum())
        return total / count if count else math.nan

    def state(self) -> dict[str, Tensor]:
        """Return a copy of the adapter's weights by name."""
        return {name: value.detach().clone() for name, value in self._trainable()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take the adapter's weights from a `state`."""
        self._peft.load_state_dict(state, strict=False)

    def merged(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the decoder's weights with the adapter `state` added to them, in float32.

        The sum is taken on the checkpoint's own weights, not on those rounded for computing.
        """
        decoder, _ = load_checkpoint(self._checkpoint)
        names = list(decoder.state_dict())
        adapted = attach(decoder, self._config.lora)
        adapted.load_state_dict(state, strict=False)
        merged = adapted.merge_and_unload().state_dict()
        return {name: merged[name].detach().contiguous() for name in names}

    def _trainable(self) -> Iterator[tuple[str, Tensor]]:
        for name, value in self._peft.named_parameters():
            if value.requires_grad:
                yield name, value

    def _losses(self, batch: Batch) -> Tensor:
        """Return the negative log likelihoods of the targets, float32 [rows, sequence].

        All logits are held: the output layer is frozen, and the trainer's chunked loss would take
        the time for its gradient.
        """
        logits = self._decoder(torch.from_numpy(batch.inputs))
        targets = torch.from_numpy(batch.targets)
        losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        return losses.view_as(targets)


def attach(decoder: Decoder, config: LoraConfig) -> Any:
    """Put LoRA into `decoder` and freeze the rest; returns peft's model around it."""
    for name in _OFFLINE:
        os.environ[name] = "1"
    import peft

    linear = [name for name, each in decoder.named_modules() if isinstance(each, nn.Linear)]
    known = sorted({name.rpartition(".")[2] for name in linear})
    for target in config.targets:
        if target not in known:
            raise ConfigError(f"'lora.targets': no matrix {target}; known: {', '.join(known)}")
    adapter = peft.LoraConfig(
        r=config.rank,
        lora_alpha=cast(int, config.alpha),
        lora_dropout=config.dropout,
        target_modules=list(config.targets),
    )
    return peft.get_peft_model(cast(Any, decoder), adapter)
