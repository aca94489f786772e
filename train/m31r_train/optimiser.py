"""float32 master weights behind a model that computes in bfloat16, and their optimisers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from m31r_train.config import OptimiserConfig, PlanConfig


def schedule(step: int, plan: PlanConfig) -> float:
    """Return the factor on the learning rate, 0 to 1, at `step` (from 0): warm-up-stable-decay."""
    warm = min(1.0, (step + 1) / max(plan.warmup_steps, 1))
    left = plan.steps - step
    return warm * min(1.0, left / plan.decay_steps) if plan.decay_steps else warm


class MasterOptimiser:
    """Keeps float32 copies of a model's weights, steps on them, and writes them back.

    Muon (Jordan et al. 2024) for the matrices of the blocks, AdamW for embedding and norms.
    """

    def __init__(self, model: nn.Module, config: OptimiserConfig) -> None:
        """Copy the weights of `model`, of any dtype."""
        self._config = config
        self._model = dict(model.named_parameters())
        self.master = {name: _copy(value) for name, value in self._model.items()}
        matrices = [name for name, value in self.master.items() if _is_matrix(name, value)]
        others = [name for name in self.master if name not in matrices]
        self._muon = torch.optim.Muon(
            [self.master[name] for name in matrices],
            lr=config.muon_rate,
            momentum=config.muon_momentum,
            weight_decay=config.muon_weight_decay,
        )
        self._adamw = torch.optim.AdamW(
            [self.master[name] for name in others],
            lr=config.adamw_rate,
            betas=(config.adamw_betas[0], config.adamw_betas[1]),
            weight_decay=config.adamw_weight_decay,
            fused=True,
        )

    def step(self, factor: float, scale: float) -> float:
        """Update with the gradients that the model has collected, and clear them.

        `factor` multiplies the learning rates, `scale` the gradients (one over the sum of the
        loss's weights). Returns the gradient's norm before clipping. When it is not finite, the
        weights and the optimisers' state stay as they are.
        """
        for name, parameter in self._model.items():
            if parameter.grad is None:
                raise ValueError(f"no gradient for {name}")
            self.master[name].grad = parameter.grad.float().mul_(scale)
            parameter.grad = None
        gradients = [value.grad for value in self.master.values() if value.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if math.isfinite(norm):
            nn.utils.clip_grads_with_norm_(self.master.values(), self._config.clip_norm, norm)
            self._update(factor)
            self.write_back()
        for value in self.master.values():
            value.grad = None
        return float(norm)

    def _update(self, factor: float) -> None:
        for optimiser, rate in self._rates():
            for group in optimiser.param_groups:
                group["lr"] = rate * factor
            optimiser.step()

    @torch.no_grad()
    def write_back(self) -> None:
        """Copy the master weights into the model."""
        for name, parameter in self._model.items():
            parameter.copy_(self.master[name])

    def state(self) -> dict[str, Tensor]:
        """Return master weights and moments as flat names, for a safetensors file."""
        tensors = {f"master.{name}": value.detach() for name, value in self.master.items()}
        for label, optimiser in (("muon", self._muon), ("adamw", self._adamw)):
            for i, values in optimiser.state_dict()["state"].items():
                for key, value in values.items():
                    tensors[f"{label}.{i}.{key}"] = torch.as_tensor(value)
        return tensors

    @torch.no_grad()
    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Take over what `state` returned and write the weights to the model."""
        for name, value in self.master.items():
            value.copy_(tensors[f"master.{name}"])
        for label, optimiser in (("muon", self._muon), ("adamw", self._adamw)):
            content = optimiser.state_dict()
            content["state"] = _unflatten(tensors, f"{label}.")
            optimiser.load_state_dict(content)
        self.write_back()

    def _rates(self) -> Iterator[tuple[torch.optim.Optimizer, float]]:
        yield self._muon, self._config.muon_rate
        yield self._adamw, self._config.adamw_rate


def _copy(parameter: Tensor) -> nn.Parameter:
    return nn.Parameter(parameter.detach().float().clone())


def _is_matrix(name: str, value: Tensor) -> bool:
    return value.ndim == 2 and "embed_tokens" not in name


def _unflatten(tensors: dict[str, Tensor], prefix: str) -> dict[int, dict[str, Any]]:
    state: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        if name.startswith(prefix):
            i, key = name.removeprefix(prefix).split(".", 1)
            state.setdefault(int(i), {})[key] = value
    return state
