"""llama.cpp as a library, for comparisons.

It is the one that node-llama-cpp carries, with a build for each kind of processor; it is
called through ctypes. What is not in its stable functions, the parameters, is left as the library
gives it, but for the length of the context, which has always been their first field.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIBRARIES = "node_modules/@node-llama-cpp/linux-x64/bins/linux-x64"

_LOG = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


class _Parameters(ctypes.Structure):
    """Larger than any version's: only passed on."""

    _fields_ = (("bytes", ctypes.c_uint8 * 512),)


class _Batch(ctypes.Structure):
    _fields_ = (
        ("count", ctypes.c_int32),
        *((name, ctypes.c_void_p) for name in ("token", "embd", "pos", "n_seq", "seq", "logits")),
    )


class Llama:
    """A GGUF model and one sequence. `system` is what the library says it uses."""

    def __init__(self, libraries: Path, model: Path, threads: int, context: int) -> None:
        """Load the model with the library in the folder `libraries`."""
        base = _load(libraries, "libggml-base.")
        ggml = _load(libraries, "libggml.")
        self._library = llama = _load(libraries, "libllama.")
        # Kept, or the library would call what was collected.
        self._silent = _LOG(lambda level, text, data: None)
        llama.llama_log_set(self._silent, None)
        base.ggml_log_set(self._silent, None)
        ggml.ggml_backend_load_all_from_path.argtypes = [ctypes.c_char_p]
        ggml.ggml_backend_load_all_from_path(str(libraries).encode())
        self._declare()
        parameters = llama.llama_model_default_params()
        handle = llama.llama_model_load_from_file(str(model).encode(), parameters)
        if not handle:
            raise SystemExit(f"{model}: llama.cpp cannot load it")
        self._vocab_size: int = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(handle))
        parameters = llama.llama_context_default_params()
        ctypes.cast(ctypes.pointer(parameters), ctypes.POINTER(ctypes.c_uint32))[0] = context
        self._context = llama.llama_init_from_model(handle, parameters)
        llama.llama_set_n_threads(self._context, threads, threads)
        self._memory = llama.llama_get_memory(self._context)
        self.system = llama.llama_print_system_info().decode()

    def clear(self) -> None:
        """Begin the sequence anew."""
        self._library.llama_memory_clear(self._memory, True)

    def rewind(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        self._library.llama_memory_seq_rm(self._memory, -1, length, -1)

    def forward(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Append `ids` and return the logits [V] behind the last of them."""
        array = (ctypes.c_int32 * len(ids))(*ids)
        batch = self._library.llama_batch_get_one(array, len(ids))
        if self._library.llama_decode(self._context, batch):
            raise SystemExit("llama_decode failed")
        logits = self._library.llama_get_logits_ith(self._context, -1)
        return np.ctypeslib.as_array(logits, (self._vocab_size,))

    def _declare(self) -> None:
        pointer, number = ctypes.c_void_p, ctypes.c_int32
        signatures: dict[str, tuple[Any, list[Any]]] = {
            "model_default_params": (_Parameters, []),
            "context_default_params": (_Parameters, []),
            "model_load_from_file": (pointer, [ctypes.c_char_p, _Parameters]),
            "init_from_model": (pointer, [pointer, _Parameters]),
            "model_get_vocab": (pointer, [pointer]),
            "vocab_n_tokens": (number, [pointer]),
            "set_n_threads": (None, [pointer, number, number]),
            "get_memory": (pointer, [pointer]),
            "memory_clear": (None, [pointer, ctypes.c_bool]),
            "memory_seq_rm": (ctypes.c_bool, [pointer, number, number, number]),
            "batch_get_one": (_Batch, [pointer, number]),
            "decode": (number, [pointer, _Batch]),
            "get_logits_ith": (ctypes.POINTER(ctypes.c_float), [pointer, number]),
            "print_system_info": (ctypes.c_char_p, []),
        }
        for name, (result, arguments) in signatures.items():
            function = getattr(self._library, f"llama_{name}")
            function.restype, function.argtypes = result, arguments


def _load(folder: Path, prefix: str) -> ctypes.CDLL:
    files = sorted(file for file in folder.glob(f"{prefix}*") if ".so" in file.name)
    if not files:
        raise SystemExit(
            f"{folder}: no {prefix}so there; npm install --prefix build/llama node-llama-cpp"
        )
    return ctypes.CDLL(str(files[0]), mode=ctypes.RTLD_GLOBAL)
