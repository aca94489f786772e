"""What one process of a run computes with: the model, its optimiser, and a loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from m31r_core.errors import ConfigError
from m31r_core.model import Decoder, load_checkpoint
from m31r_train.config import TrainConfig
from m31r_train.loss import ChunkLoss, chunk_loss, cross_entropy
from m31r_train.optimiser import MasterOptimiser
from m31r_train.rows import Batch


@dataclass(frozen=True)
class StepResult:
    """What a step measured: `loss` in nats a token (weighted mean), gradient norm, tokens.

    `applied` is false for a bad step, with loss or gradient not finite, or the loss above the
    limit: then the weights are as before.
    """

    loss: float
    grad_norm: float
    tokens: int
    applied: bool = True


class Replica:
    """Model, optimiser and loss as the configuration says."""

    def __init__(self, config: TrainConfig) -> None:
        """Make the model. Raises M31RError or ConfigError naming what does not fit."""
        self.config = config
        model = _initial_model(config)
        self.optimiser = MasterOptimiser(model.to(config.device), config.optimiser)
        self.model = model.to(getattr(torch, config.dtype))
        self._hidden = torch.compile(self.model.hidden) if config.compile else self.model.hidden
        self._chunk: ChunkLoss = torch.compile(chunk_loss) if config.compile else chunk_loss

    def step(
        self, batches: Sequence[Batch], factor: float, limit: float = math.inf
    ) -> StepResult:
        """Do one optimiser step on the sum of `batches`, rates multiplied by `factor`.

        With a loss above `limit`, no weight changes.
        """
        loss, weight, tokens = 0.0, 0.0, 0
        for batch in batches:
            total = self.loss(batch)
            total.backward()
            loss += float(total.detach())
            weight += float(batch.weights.sum())
            tokens += int((batch.weights > 0).sum())
        # A norm that is not finite lets no weight change.
        good = math.isfinite(loss) and loss / weight <= limit
        norm = self.optimiser.step(factor, 1.0 / weight if good else math.nan)
        return StepResult(loss / weight, norm, tokens, good and math.isfinite(norm))

    def loss(self, batch: Batch) -> Tensor:
        """Return the weighted sum of negative log likelihoods of a batch, in nats."""
        device = self.config.device
        hidden = self._hidden(torch.from_numpy(batch.inputs).to(device))
        return cross_entropy(
            hidden.flatten(0, 1),
            self.model.model.embed_tokens.weight,
            torch.from_numpy(batch.targets).to(device).flatten(),
            torch.from_numpy(batch.weights).to(device).flatten(),
            self._chunk,
        )

    @torch.no_grad()
    def mean_loss(self, batches: Sequence[Batch]) -> float:
        """Return the mean negative log likelihood of `batches`, nats a token.

        All tokens that count weigh the same.
        """
        total = count = 0.0
        for batch in batches:
            flat = Batch(batch.inputs, batch.targets, (batch.weights > 0).astype("float32"))
            total += float(self.loss(flat))
            count += float(flat.weights.sum())
        return total / count

    def weights(self) -> dict[str, Tensor]:
        """Return the float32 master weights, whole, by the names of `Decoder`."""
        return dict(self.optimiser.master)

    def state(self) -> dict[str, Tensor]:
        """Return all that a later `load_state` needs to go on exactly, by flat names."""
        return self.optimiser.state()

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Take over what `state` returned."""
        self.optimiser.load_state(tensors)


def _initial_model(config: TrainConfig) -> Decoder:
    if config.start_from is None:
        return Decoder(config.model)
    model, found = load_checkpoint(config.start_from)
    if found != config.model:
        raise ConfigError(f"{config.start_from}: another model than 'model' describes")
    return model
