"""The learning rate's schedule, and Muon and AdamW for one model, on one process or several."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from m31r_train.config import OptimiserConfig, PlanConfig
from m31r_train.parallel import World
from m31r_train.sharded import OwnedMatrices, assign, like, whole


def schedule(step: int, plan: PlanConfig) -> float:
    """Return the factor on the learning rate, 0 to 1, at `step` (from 0): warm-up-stable-decay."""
    warm = min(1.0, (step + 1) / max(plan.warmup_steps, 1))
    if not plan.decay_steps:
        return warm
    left = min(1.0, (plan.steps - step) / plan.decay_steps)
    return warm * (left if plan.decay == "linear" else 1.0 - math.sqrt(1.0 - left))


class MuonAdamW:
    """Muon (Jordan et al. 2024) for the matrices of the blocks, AdamW for embedding and norms.

    Where the configuration wants AdamW for the matrices too, there is no Muon. Both step on float32
    weights, whole or sharded (DTensors). A sharded matrix is stepped on by the one process that
    owns it, whole.
    """

    def __init__(
        self, weights: Mapping[str, nn.Parameter], config: OptimiserConfig, world: World
    ) -> None:
        """Step on `weights`, float32, by the names that `state` gives them."""
        self._config, self._world = config, world
        self.weights = dict(weights)
        by_muon = config.matrices == "muon"
        matrices = [name for name, value in weights.items() if by_muon and _is_matrix(name, value)]
        self._matrices = [self.weights[name] for name in matrices]
        sharded = any(isinstance(value, DTensor) for value in self._matrices)
        self._owned = OwnedMatrices(self._matrices, world) if sharded else None
        own = self._owned.own if self._owned else dict(enumerate(self._matrices))
        self._numbers = list(own)
        self._muon = _muon(own.values(), config) if own else None
        self._adamw = torch.optim.AdamW(
            [value for name, value in weights.items() if name not in matrices],
            lr=config.adamw_rate,
            betas=(config.adamw_betas[0], config.adamw_betas[1]),
            weight_decay=config.adamw_weight_decay,
            fused=True,
        )

    def norm(self, scale: float) -> Tensor:
        """Multiply the gradients by `scale` and return the norm of all together, float32 []."""
        gradients = []
        for name, value in self.weights.items():
            if value.grad is None:
                raise ValueError(f"no gradient for {name}")
            gradients.append(value.grad.mul_(scale))
        norm = nn.utils.get_total_norm(gradients)
        return norm.full_tensor() if isinstance(norm, DTensor) else norm

    def update(self, factor: float, norm: Tensor) -> None:
        """Clip the gradients, whose norm is `norm`, and step at learning rates times `factor`."""
        nn.utils.clip_grads_with_norm_(self.weights.values(), self._config.clip_norm, norm)
        for optimiser, rate in self._rates():
            for group in optimiser.param_groups:
                group["lr"] = rate * factor
        if self._owned:
            self._owned.gather_gradients()
        if self._muon:
            self._muon.step()
        if self._owned:
            self._owned.scatter_weights()
        if self._owned and self._muon:
            self._muon.zero_grad()
        self._adamw.step()

    def clear(self) -> None:
        """Forget the gradients."""
        for value in self.weights.values():
            value.grad = None

    def whole_weights(self) -> dict[str, Tensor]:
        """Return the weights, whole, on process 0, and nothing on others. All must call it."""
        found = {name: whole(value, self._world) for name, value in self.weights.items()}
        return {name: value for name, value in found.items() if value is not None}

    def state(self) -> dict[str, Tensor]:
        """Return weights and moments as flat names, for a safetensors file, on process 0.

        The names and shapes do not depend on the number of processes. Others get nothing, but all
        must call it.
        """
        tensors = {f"master.{name}": value.detach() for name, value in self.whole_weights().items()}
        for i, momentum in enumerate(self._momenta()):
            if momentum is not None:
                tensors[f"muon.{i}.momentum_buffer"] = momentum
        for i, values in self._adamw.state_dict()["state"].items():
            for key, value in values.items():
                full = whole(torch.as_tensor(value), self._world)
                if full is not None:
                    tensors[f"adamw.{i}.{key}"] = full
        return tensors

    @torch.no_grad()
    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `state` returned, whole on every process, of any number of them."""
        for name, value in self.weights.items():
            assign(value, tensors[f"master.{name}"])
        if self._owned:
            self._owned.gather_weights()
        muon, adamw = _unflatten(tensors, "muon."), _unflatten(tensors, "adamw.")
        if self._muon:
            _load(self._muon, {own: muon[i] for own, i in enumerate(self._numbers) if i in muon})
        _load(self._adamw, adamw)

    def _rates(self) -> Iterator[tuple[torch.optim.Optimizer, float]]:
        if self._muon:
            yield self._muon, self._config.muon_rate
        yield self._adamw, self._config.adamw_rate

    def _momenta(self) -> Iterator[Tensor | None]:
        """Yield the momentum of each matrix, whole, on process 0; nothing before the first step."""
        state = self._muon.state_dict()["state"] if self._muon else {}
        if not state:
            return
        own = {i: state[k]["momentum_buffer"] for k, i in enumerate(self._numbers)}
        for i in range(len(self._matrices)):
            yield self._owned.to_main(i, own.get(i)) if self._owned else own[i]


def _muon(matrices: Iterable[nn.Parameter], config: OptimiserConfig) -> torch.optim.Optimizer:
    return torch.optim.Muon(
        matrices,
        lr=config.muon_rate,
        momentum=config.muon_momentum,
        weight_decay=config.muon_weight_decay,
        ns_steps=config.muon_iterations,
    )


def _is_matrix(name: str, value: Tensor) -> bool:
    return value.ndim == 2 and "embed_tokens" not in name


def _unflatten(tensors: Mapping[str, Tensor], prefix: str) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(prefix):
            i, key = name.removeprefix(prefix).split(".", 1)
            state.setdefault(int(i), {})[key] = value
    return state


def _load(optimiser: torch.optim.Optimizer, state: Mapping[int, Mapping[str, Tensor]]) -> None:
    """Give `optimiser` the moments `state`, whole, by the numbers of its parameters."""
    parameters = optimiser.param_groups[0]["params"]
    content = optimiser.state_dict()
    content["state"] = {
        i: {key: like(parameters[i], value) for key, value in values.items()}
        for i, values in state.items()
    }
    optimiser.load_state_dict(content)
