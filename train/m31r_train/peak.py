"""What a machine can do at best: the speed of large matrix products, measured in this process."""

from __future__ import annotations

import time

import torch
from torch import Tensor

# Which size is fastest depends on the caches of a CPU, on the number of cores of a GPU.
_SIDES = {"cpu": (512, 1024, 2048), "cuda": (4096, 8192)}
_AT_LEAST = 3


def gemm_peak(device: str, dtype: torch.dtype, *, seconds: float = 0.3) -> float:
    """Return the FLOP/s of the fastest product of two square matrices: the best of `gemm_peaks`."""
    return max(gemm_peaks(device, dtype, seconds=seconds).values())


def gemm_peaks(device: str, dtype: torch.dtype, *, seconds: float = 0.3) -> dict[int, float]:
    """Return the FLOP/s of products of two square matrices of `dtype` on `device`, by their side.

    A product of side n is 2 n^3 operations. Sides of 512 to 8,192 share about `seconds`; the best
    single product counts, so that what else the machine does lowers the number little. The number
    of threads is PyTorch's present one. The state of PyTorch's generators stays as it is.
    """
    sides = _SIDES[torch.device(device).type]
    return {side: _best(device, dtype, side, seconds / len(sides)) for side in sides}


def _best(device: str, dtype: torch.dtype, side: int, seconds: float) -> float:
    generator = torch.Generator(device).manual_seed(0)
    left, right = (
        torch.randn(side, side, generator=generator, device=device).to(dtype) for _ in range(2)
    )
    out = torch.empty_like(left)
    _timed(left, right, out)
    times: list[float] = []
    while len(times) < _AT_LEAST or sum(times) < seconds:
        times.append(_timed(left, right, out))
    return float(2 * side**3 / min(times))


def _timed(left: Tensor, right: Tensor, out: Tensor) -> float:
    start = time.perf_counter()
    torch.mm(left, right, out=out)
    if left.is_cuda:
        torch.cuda.synchronize(left.device)
    return time.perf_counter() - start
