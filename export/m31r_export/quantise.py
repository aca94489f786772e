"""Matrices to blocks of 4 or 8 bits and back, in the layout of ONNX Runtime's MatMulNBits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m31r_core.bundle import Quant
from m31r_core.errors import M31RError

BLOCKS = (32, 64, 128, 256)
# What docs/benchmarks.md found best: larger blocks are faster, and cost int4 its quality.
DEFAULT_BLOCK: dict[Quant, int] = {"fp32": 32, "int8": 256, "int4": 32}


@dataclass(frozen=True)
class Quantised:
    """Blocks of a matrix [N, K].

    `data` is uint8 [N, K / block, block·bits / 8], `scales` float32 [N, K / block].
    """

    data: NDArray[np.uint8]
    scales: NDArray[np.float32]


def fitting_block(columns: int, largest: int) -> int:
    """Return the largest block size, at most `largest`, that divides `columns`.

    Raises M31RError when there is none.
    """
    fitting = [size for size in BLOCKS if size <= largest and columns % size == 0]
    if not fitting:
        raise M31RError(f"cannot quantise {columns} columns: not a multiple of {BLOCKS[0]}")
    return fitting[-1]


def quantise(matrix: NDArray[np.float32], bits: int, block: int) -> Quantised:
    """Quantise `matrix` [N, K] to `bits` (4 or 8) in blocks of K, around half of the range.

    The value of largest size in a block is met exactly: it gets the lowest code, the only one
    whose opposite does not exist.
    """
    rows, columns = matrix.shape
    blocks = matrix.reshape(rows, columns // block, block)
    places = np.abs(blocks).argmax(-1, keepdims=True)
    half = 1 << (bits - 1)
    scales = np.take_along_axis(blocks, places, -1) / -half
    codes = np.rint(blocks / np.where(scales == 0, 1, scales)) + half
    data = np.clip(codes, 0, 2 * half - 1).astype(np.uint8)
    if bits == 4:
        data = data[..., ::2] | data[..., 1::2] << 4
    return Quantised(data, scales[..., 0].astype(np.float32))


def dequantise(
    data: NDArray[np.generic], scales: NDArray[np.generic], bits: int
) -> NDArray[np.float32]:
    """Return the matrix float32 [N, K] of what `quantise` made.

    Quantising the result again gives the same codes and scales.
    """
    codes, half = data.astype(np.uint8), 1 << (bits - 1)
    if bits == 4:
        codes = np.stack([codes & 15, codes >> 4], -1).reshape(*data.shape[:2], -1)
    values = (codes.astype(np.float32) - half) * scales.astype(np.float32)[..., None]
    matrix: NDArray[np.float32] = values.reshape(len(data), -1)
    return matrix
