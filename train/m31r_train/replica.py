"""What one process of a run computes with: the model, its optimiser, and a loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from m31r_core.errors import ConfigError
from m31r_core.model import Decoder, load_checkpoint
from m31r_train.config import TrainConfig
from m31r_train.loss import ChunkLoss, chunk_loss, cross_entropy
from m31r_train.optimiser import MuonAdamW
from m31r_train.parallel import World, distribute, micro_batch
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


class _Bare(nn.Module):
    """A block without what its instance's `forward` was replaced by."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, *inputs: Tensor) -> Tensor:
        return cast(Tensor, type(self.block).forward(self.block, *inputs))


def _recomputed(bare: _Bare, gathered: bool, *inputs: Tensor) -> Tensor:
    """Run a block and keep only its inputs: the backward pass runs it again.

    By then `Casting` has put the float32 weights back, so the weights of now are kept, too; where
    FSDP2 has `gathered` them it does so again, and keeping them would keep all.
    """
    if gathered:
        return cast(Tensor, checkpoint(bare, *inputs, use_reentrant=False))
    weights = dict(bare.named_parameters())
    call = torch.func.functional_call
    return cast(Tensor, checkpoint(call, bare, weights, inputs, use_reentrant=False))


class TokenLoss(nn.Module):
    """The decoder and its loss as one module, so that what wraps it sees every use of a weight."""

    def __init__(self, decoder: Decoder, config: TrainConfig, world: World) -> None:
        """Compile and checkpoint activations as `config` says.

        Each block is compiled by itself where FSDP2 gathers it, else all hidden layers as one.
        """
        super().__init__()
        self.decoder = decoder
        by_block = config.parallel == "fsdp" and world.size > 1
        if config.activation_checkpointing:
            for block in blocks(decoder):
                block.forward = partial(_recomputed, _Bare(block), by_block)
        if config.compile and by_block:
            for block in blocks(decoder):
                block.compile()
        self._hidden = decoder.hidden
        if config.compile and not by_block:
            self._hidden = torch.compile(decoder.hidden)
        self._z_loss = config.optimiser.z_loss
        self._chunk: ChunkLoss = torch.compile(chunk_loss) if config.compile else chunk_loss

    def forward(self, inputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Return the weighted sum of negative log likelihoods, float32 [], in nats.

        inputs and targets int64 [B, T], weights float32 [B, T].
        """
        return cross_entropy(
            self._hidden(inputs).flatten(0, 1),
            self.decoder.model.embed_tokens.weight,
            targets.flatten(),
            weights.flatten(),
            self._chunk,
            self._z_loss,
        )


class Replica:
    """Model, optimiser and loss as the configuration says.

    In a run of several processes each has its replica. They do together what one would do alone:
    every method but `loss` must be called by all processes, in the same order.
    """

    def __init__(self, config: TrainConfig, world: World | None = None) -> None:
        """Make the model, in float32. Raises M31RError or ConfigError naming what does not fit."""
        self.config = config
        self.world = world or World.alone(config.device)
        with self.world.together():
            model = _initial_model(config)
        self.model = model.to(self.world.device)
        module = TokenLoss(self.model, config, self.world)
        self._module = distribute(module, blocks(self.model), config, self.world)
        weights = dict(self.model.named_parameters())
        self.optimiser = MuonAdamW(weights, config.optimiser, self.world)

    def step(self, batches: Sequence[Batch], factor: float, limit: float = math.inf) -> StepResult:
        """Do one optimiser step on the sum of all processes' `batches`, as many on each.

        The learning rates are multiplied by `factor`. With a loss above `limit`, no weight changes.
        The result is that of all processes.
        """
        losses, weight, tokens = [], 0.0, 0
        for i, batch in enumerate(batches):
            with micro_batch(self._module, last=i + 1 == len(batches)):
                total = self.loss(batch)
                total.backward()
            losses.append(total.detach())
            weight += float(batch.weights.sum())
            tokens += int((batch.weights > 0).sum())
        loss, weight, count = self.world.sum(sum(map(float, losses)), weight, float(tokens))
        norm = self.optimiser.norm(self.world.size / weight)
        applied = math.isfinite(loss) and math.isfinite(norm) and loss / weight <= limit
        if applied:
            self.optimiser.update(factor, norm)
        self.optimiser.clear()
        return StepResult(loss / weight, float(norm), int(count), applied)

    def loss(self, batch: Batch) -> Tensor:
        """Return the weighted sum of negative log likelihoods of a batch, in nats.

        Under `fsdp` all processes must call it, each with its own batch.
        """
        arrays = (batch.inputs, batch.targets, batch.weights)
        loss = self._module(*(torch.from_numpy(array).to(self.world.device) for array in arrays))
        return cast(Tensor, loss)

    @torch.no_grad()
    def mean_loss(self, batches: Sequence[Batch]) -> float:
        """Return the mean negative log likelihood of `batches`, nats a token.

        All tokens that count weigh the same. Every process gives all batches, and does its share.
        """
        total = count = 0.0
        size = self.world.size
        for first in range(0, len(batches), size):
            mine = first + self.world.rank
            # Where there is none left, one that counts nothing: all must take part.
            batch = batches[min(mine, len(batches) - 1)]
            counts = (batch.weights > 0) & (mine < len(batches))
            flat = Batch(batch.inputs, batch.targets, counts.astype("float32"))
            total += float(self.loss(flat))
            count += float(flat.weights.sum())
        total, count = self.world.sum(total, count)
        return total / count

    def weights(self) -> dict[str, Tensor]:
        """Return the float32 weights, whole, by the names of `Decoder`, on process 0.

        On other processes it may be empty.
        """
        return self.optimiser.whole_weights()

    def state(self) -> dict[str, Tensor]:
        """Return all that a later `load_state` needs to go on exactly, on process 0.

        Flat names and whole tensors, the same for any number of processes.
        """
        return self.optimiser.state()

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `state` returned; every process gives all of it."""
        self.optimiser.load_state(tensors)


def blocks(decoder: Decoder) -> list[nn.Module]:
    """Return the decoder's blocks: what is gathered, compiled and recomputed as one."""
    return list(decoder.model.layers)


def _initial_model(config: TrainConfig) -> Decoder:
    if config.start_from is None:
        model = Decoder(config.model)
        if not config.zero_outputs:
            _randomise_outputs(model)
        return model
    model, found = load_checkpoint(config.start_from)
    if found != config.model:
        raise ConfigError(f"{config.start_from}: another model than 'model' describes")
    return model


def _randomise_outputs(model: Decoder) -> None:
    """Draw what writes to the residual stream from N(0, 0.02 / sqrt(2 layers)).

    So that the stream's variance does not grow with depth (Radford et al. 2019).
    """
    for name, parameter in model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * model.config.layers))
