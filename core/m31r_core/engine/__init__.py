"""Decoding with ONNX Runtime: prefill, KV cache, sampling, token healing. Never imports torch."""

from m31r_core.engine.complete import Completer, Completion, CompletionRequest
from m31r_core.engine.generate import Engine, GenerateOptions, Generation
from m31r_core.engine.session import default_threads

__all__ = [
    "Completer",
    "Completion",
    "CompletionRequest",
    "Engine",
    "GenerateOptions",
    "Generation",
    "default_threads",
]
