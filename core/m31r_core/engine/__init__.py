"""Decoding with ONNX Runtime: prefill, KV cache, drafts, token healing. Never imports torch."""

from m31r_core.engine.complete import Completer, Completion, CompletionRequest
from m31r_core.engine.decoding import GenerateOptions
from m31r_core.engine.generate import Engine, Generation
from m31r_core.engine.graph import default_threads
from m31r_core.engine.stop import Stop

__all__ = [
    "Completer",
    "Completion",
    "CompletionRequest",
    "Engine",
    "GenerateOptions",
    "Generation",
    "Stop",
    "default_threads",
]
