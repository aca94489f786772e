"""Several processes that train one model together, started by torchrun.

    torchrun --nproc-per-node 8 -m m31r_train.cli run configs/train/tier-l.toml

Each takes its share of every batch's rows. With `ddp` all hold the whole model and add up their
gradients; with `fsdp` (FSDP2) each holds a part of every weight, gradient and moment.
"""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.nn.parallel import DistributedDataParallel

from m31r_core.errors import ConfigError, M31RError
from m31r_train.config import TrainConfig

# Seconds that a process has to say why it ends, before those without a message do.
_LAST_WORDS = 10.0
_ANOTHER_ENDED = "another process of this run ended; its own message says why"


@dataclass(frozen=True)
class World:
    """The processes of a run, and which one this is: `rank`, from 0 to `size` - 1.

    Methods that speak of all processes must be called by all of them, in the same order.
    """

    rank: int
    size: int
    device: torch.device

    @classmethod
    def alone(cls, device: Literal["cpu", "cuda"] = "cpu") -> World:
        """Return the world of a single process."""
        return cls(0, 1, torch.device(device))

    @property
    def main(self) -> bool:
        """Whether this process is the one that writes logs and checkpoints."""
        return self.rank == 0

    def sum(self, *values: float) -> tuple[float, ...]:
        """Return each value added up over all processes, in float64."""
        if self.size == 1:
            return values
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return tuple(total.tolist())

    def max(self, value: int) -> int:
        """Return the largest `value` of all processes."""
        if self.size == 1:
            return value
        largest = torch.tensor(value, device=self.device)
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return int(largest)

    def barrier(self) -> None:
        """Wait until all processes are here."""
        self.sum(0.0)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Fail on all processes when one fails in the block, with one message.

        The first process that fails raises its error; the others exit with the same code and say
        nothing. The block must not hold anything that waits for other processes.
        """
        if self.size == 1:
            yield
            return
        error: M31RError | OSError | None = None
        try:
            yield
        except (M31RError, OSError) as raised:
            error = raised
        errors: list[M31RError | OSError | None] = [None] * self.size
        dist.all_gather_object(errors, error)
        for rank, found in enumerate(errors):
            if found is not None and error is not None and rank == self.rank:
                raise error
            if found is not None:
                _leave_quietly(found)


@contextmanager
def alike() -> Iterator[None]:
    """Let only the first process tell of an error that all have, before they have joined."""
    try:
        yield
    except M31RError as error:
        if os.environ.get("RANK", "0") != "0":
            _leave_quietly(error)
        raise


def _leave_quietly(error: Exception) -> NoReturn:
    """Exit after the process that tells of `error`: torchrun ends all when the first one exits."""
    time.sleep(_LAST_WORDS)
    raise SystemExit(2 if isinstance(error, ConfigError) else 1)


@contextmanager
def open_world(device: Literal["cpu", "cuda"]) -> Iterator[World]:
    """Join the processes that torchrun started (gloo for CPUs, NCCL for GPUs); leave at the end.

    Without torchrun's variables, yields a world of one. Raises ConfigError when there is no GPU for
    this process, M31RError when another process ended.
    """
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device == "cuda" and local >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise ConfigError(f"'device' is cuda: process {local} needs a GPU, PyTorch sees {found}")
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield World.alone(device)
        return
    place = torch.device("cuda", local) if device == "cuda" else torch.device("cpu")
    if device == "cuda":
        torch.cuda.set_device(place)
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield World(dist.get_rank(), dist.get_world_size(), place)
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or "closed by peer" in str(error):
            raise M31RError(_ANOTHER_ENDED) from error
        raise
    finally:
        dist.destroy_process_group()


def check_batch(config: TrainConfig, world: World) -> None:
    """Raise ConfigError, naming the key, for a batch that cannot be shared out evenly."""
    plan = config.plan
    row_tokens = plan.micro_rows * config.loader.sequence
    if plan.batch_tokens % (row_tokens * world.size):
        raise ConfigError(
            f"'plan.batch_tokens' is {plan.batch_tokens}; for {world.size} processes it must be a "
            f"multiple of micro_rows x sequence x processes = {row_tokens * world.size}"
        )


class Casting(nn.Module):
    """Runs a module on copies of its float32 weights in another dtype.

    Gradients come back, and add up over micro-batches, in float32.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        """Run `module` in `dtype`; its buffers stay as they are."""
        super().__init__()
        self.module, self.dtype = module, dtype

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return what the module returns for `inputs`, which are not cast."""
        weights = {name: value.to(self.dtype) for name, value in self.module.named_parameters()}
        return cast(Tensor, torch.func.functional_call(self.module, weights, inputs))


def distribute(
    module: nn.Module, blocks: Sequence[nn.Module], config: TrainConfig, world: World
) -> nn.Module:
    """Return `module`, in float32 on its device, ready for training as `config.parallel` says.

    It computes in `config.dtype`. Gradients are reduced in float32, to their mean over the
    processes. Under `fsdp`, each of `blocks` is gathered when its turn comes; the module's
    parameters are DTensors from then on, cut along their first dimension.
    """
    dtype: torch.dtype = getattr(torch, config.dtype)
    if world.size > 1 and config.parallel == "fsdp":
        mesh = init_device_mesh(world.device.type, (world.size,))
        policy = MixedPrecisionPolicy(dtype, torch.float32, cast_forward_inputs=False)
        for block in blocks:
            fully_shard(block, mesh=mesh, mp_policy=policy)
        return cast(nn.Module, fully_shard(module, mesh=mesh, mp_policy=policy))
    running = module if dtype == torch.float32 else Casting(module, dtype)
    if world.size == 1:
        return running
    # The buffers are constants. What says so has another name since PyTorch 2.13.
    names = inspect.signature(DistributedDataParallel).parameters
    buffers = "forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers"
    options: dict[str, Any] = {"gradient_as_bucket_view": True, buffers: False}
    return DistributedDataParallel(running, **options)


def micro_batch(module: nn.Module, *, last: bool) -> AbstractContextManager[None]:
    """Return the context of one micro-batch's passes: only after the last are gradients reduced."""
    if isinstance(module, FSDPModule):
        module.set_requires_gradient_sync(last)
        module.set_is_last_backward(last)
    elif isinstance(module, DistributedDataParallel) and not last:
        return cast(AbstractContextManager[None], module.no_sync())
    return nullcontext()
