"""Tensors that are cut into parts, one on each process (DTensors, as FSDP2 makes them)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from m31r_train.parallel import World


def whole(value: Tensor, world: World) -> Tensor | None:
    """Return all of `value` on process 0, in memory of the CPU if it is sharded; else None.

    All processes must call it.
    """
    if not isinstance(value, DTensor):
        return value if world.main else None
    full = value.full_tensor()
    return full.cpu() if world.main else None


@torch.no_grad()
def assign(target: Tensor, value: Tensor) -> None:
    """Copy the whole tensor `value` into `target`, of which a process takes its part."""
    target.copy_(like(target, value))


def like(target: Tensor, value: Tensor) -> Tensor:
    """Return the whole tensor `value` on the device of `target`, cut as `target` is."""
    moved = value.to(target.device)
    if not isinstance(target, DTensor) or value.shape != target.shape:
        return moved
    return distribute_tensor(moved, target.device_mesh, target.placements, src_data_rank=None)


class OwnedMatrices:
    """Sharded matrices, each of which one process also holds whole: number i, process i mod size.

    Muon's Newton-Schulz iteration needs whole matrices. Gradients are gathered on the owner, which
    steps on its whole copy, and the new weights are scattered: each process does its share of the
    work, and a step equals that of a single process. Costs 4 bytes a weight / size of memory.
    """

    def __init__(self, shards: Sequence[nn.Parameter], world: World) -> None:
        """Gather the matrices `shards`, float32, on their owners."""
        self._shards, self._world = list(shards), world
        self.own: dict[int, nn.Parameter] = {}
        self.gather_weights()

    @torch.no_grad()
    def gather_weights(self) -> None:
        """Make the whole copies anew, after the shards were changed from outside."""
        for i, value in self._gather(self._shards).items():
            if i in self.own:
                self.own[i].copy_(value)
            else:
                self.own[i] = nn.Parameter(value)

    @torch.no_grad()
    def gather_gradients(self) -> None:
        """Give the whole copies the gradients of the shards."""
        for i, value in self._gather([_gradient(shard) for shard in self._shards]).items():
            self.own[i].grad = value

    @torch.no_grad()
    def scatter_weights(self) -> None:
        """Write the whole copies to the shards."""
        size, rank = self._world.size, self._world.rank
        for i, shard in enumerate(self._shards):
            local, owner = _local(shard), i % size
            part = torch.empty((-(-shard.shape[0] // size), *shard.shape[1:]), device=local.device)
            parts = None
            if owner == rank:
                parts = [_padded(piece, part) for piece in _cut(self.own[i].detach(), size)]
            dist.scatter(part, parts, src=owner)
            local.copy_(part[: len(local)])

    def to_main(self, i: int, value: Tensor | None) -> Tensor | None:
        """Send `value`, which belongs to matrix `i`, from its owner to process 0. All must call."""
        owner, rank = i % self._world.size, self._world.rank
        if rank == owner and value is not None:
            if rank != 0:
                dist.send(value, 0)
            return value.cpu() if rank == 0 else None
        if rank != 0:
            return None
        received = torch.empty(self._shards[i].shape, device=self._world.device)
        dist.recv(received, owner)
        return received.cpu()

    def _gather(self, values: Sequence[Tensor]) -> dict[int, Tensor]:
        """Return, by number, the whole tensors that this process owns."""
        size, rank = self._world.size, self._world.rank
        found: dict[int, Tensor] = {}
        for i, value in enumerate(values):
            local, owner = _local(value), i % size
            room = torch.empty((-(-value.shape[0] // size), *value.shape[1:]), device=local.device)
            parts = [torch.empty_like(room) for _ in range(size)] if owner == rank else None
            dist.gather(_padded(local, room), parts, dst=owner)
            if parts is not None:
                found[i] = torch.cat(parts)[: value.shape[0]].contiguous()
        return found


def _local(value: Tensor) -> Tensor:
    return value.to_local() if isinstance(value, DTensor) else value


def _gradient(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        raise ValueError("a sharded matrix has no gradient")
    return parameter.grad


def _cut(value: Tensor, size: int) -> list[Tensor]:
    """Cut along the first dimension as DTensor's Shard(0) does: into equal parts, then the rest."""
    parts = list(value.chunk(size))
    return parts + [value[:0]] * (size - len(parts))


def _padded(value: Tensor, room: Tensor) -> Tensor:
    """Return `value`, rows added so that it has the shape of `room`."""
    if value.shape == room.shape:
        return value.contiguous()
    return torch.cat((value, value.new_zeros(len(room) - len(value), *value.shape[1:])))
