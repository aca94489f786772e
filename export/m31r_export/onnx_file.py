"""A graph and its weights on the disk: one file, or large weights in a file to be mapped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from m31r_core.bundle import MODEL, MODEL_DATA

# From here on weights lie in a file of their own, which ONNX Runtime maps instead of reading; a
# graph of 2 GB could not be written at all.
_MAPPED_FROM_BYTES = 64 << 20
_SMALL_BYTES = 1 << 10
_PAGE = 4096


@dataclass(frozen=True)
class Graph:
    """A model without initialisers, and their values by name."""

    model: onnx.ModelProto
    constants: Mapping[str, NDArray[np.generic]]

    @property
    def weight_bytes(self) -> int:
        """Bytes of all initialisers."""
        return sum(value.nbytes for value in self.constants.values())

    def files(self) -> dict[str, Path | bytes | Callable[[Path], None]]:
        """Return the files of a bundle that hold this graph, by name; equal graphs, equal bytes."""
        inline, mapped = dict(self.constants), dict[str, NDArray[np.generic]]()
        if self.weight_bytes >= _MAPPED_FROM_BYTES:
            mapped = {k: v for k, v in inline.items() if v.nbytes >= _SMALL_BYTES}
            inline = {k: v for k, v in inline.items() if v.nbytes < _SMALL_BYTES}
        whole = onnx.ModelProto()
        whole.CopyFrom(self.model)
        tensors = [numpy_helper.from_array(value, name) for name, value in inline.items()]
        whole.graph.initializer.extend([*tensors, *_references(mapped)])
        files: dict[str, Path | bytes | Callable[[Path], None]] = {
            MODEL: whole.SerializeToString(deterministic=True)
        }
        if mapped:
            files[MODEL_DATA] = lambda path: _write(path, mapped)
        return files


def _references(values: Mapping[str, NDArray[np.generic]]) -> list[TensorProto]:
    tensors, offset = [], 0
    for name, value in values.items():
        tensor = TensorProto(
            name=name,
            data_type=helper.np_dtype_to_tensor_dtype(value.dtype),
            dims=value.shape,
            data_location=TensorProto.EXTERNAL,
        )
        for key, text in (("location", MODEL_DATA), ("offset", offset), ("length", value.nbytes)):
            tensor.external_data.add(key=key, value=str(text))
        tensors.append(tensor)
        offset += -(-value.nbytes // _PAGE) * _PAGE
    return tensors


def _write(path: Path, values: Mapping[str, NDArray[np.generic]]) -> None:
    with path.open("wb") as file:
        for value in values.values():
            file.write(np.ascontiguousarray(value).data.cast("B"))
            file.write(bytes(-value.nbytes % _PAGE))
