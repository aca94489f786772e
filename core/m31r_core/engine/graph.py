"""The graph of a bundle in ONNX Runtime, loaded once for any number of KV caches."""

from __future__ import annotations

import os
from pathlib import Path

import onnxruntime as ort

from m31r_core.bundle import Bundle, BundleError

_MAX_THREADS = 4
# Workers wait this long for the next parallel section before they sleep: longer than it takes to
# choose a token, so that a generation does not wake them for each; docs/benchmarks.md.
_SPIN_US = 1000
# Flash attention on a CPU spares memory that chunks of a prefill do not need, and takes a tenth
# longer.
_NO_FLASH = "ORT_GQA_DISABLE_FLASH_ATTENTION"
_INPUTS = {"input_ids", "logit_rows", "last_position", "total_length"}


class Graph:
    """A loaded model. Its `session` may be run by several threads at once, each with its cache."""

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        """Load it; `threads` defaults to `default_threads()`.

        Raises BundleError naming the file when it is not what the manifest announces.
        """
        manifest = bundle.manifest
        sizes = manifest.architecture
        self.context_length = manifest.context_length
        self.vocab_size = manifest.vocab_size
        self.kv_heads = sizes.kv_heads
        self.head_dim = sizes.head_dim
        self.caches = [f"{i}.{part}" for i in range(sizes.layers) for part in ("key", "value")]
        self.session = _open(bundle.model, default_threads() if threads is None else threads)
        self._check(bundle.model)

    @property
    def bytes_per_token(self) -> int:
        """What keys and values of one token take in a cache."""
        return len(self.caches) * self.kv_heads * self.head_dim * 4

    def _check(self, path: Path) -> None:
        inputs = {node.name: node.shape for node in self.session.get_inputs()}
        outputs = {node.name: node.shape for node in self.session.get_outputs()}
        if missing := sorted(_INPUTS - inputs.keys()):
            raise BundleError(f"{path}: the graph has no input '{missing[0]}'; export it again")
        if len(inputs["input_ids"]) != 2 or len(outputs.get("logits", ())) != 3:
            raise BundleError(f"{path}: the graph takes one sequence alone; export it again")
        vocab_size = outputs["logits"][-1]
        if vocab_size != self.vocab_size:
            raise BundleError(f"{path}: {vocab_size} logits where m31r.json says {self.vocab_size}")
        wanted = {f"past_key_values.{name}" for name in self.caches}
        if {name for name in inputs if name.startswith("past_key_values.")} != wanted:
            raise BundleError(f"{path}: another number of layers than m31r.json says")
        for name in wanted:
            shape = inputs[name]
            if (shape[1], shape[3]) != (self.kv_heads, self.head_dim):
                raise BundleError(
                    f"{path}: {name} is {shape}, m31r.json says {self.kv_heads} heads of "
                    f"{self.head_dim}"
                )


def default_threads() -> int:
    """Return the number of cores this process may use, at most 4."""
    try:
        available = len(os.sched_getaffinity(0))
    except AttributeError:
        available = os.cpu_count() or 1
    return max(1, min(_MAX_THREADS, available))


def _open(path: Path, threads: int) -> ort.InferenceSession:
    # On Windows, where the variable that `m31r_core` sets is not looked for.
    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4  # what fails is raised; stderr belongs to the caller
    options.add_session_config_entry("session.intra_op.spin_duration_us", str(_SPIN_US))
    os.environ.setdefault(_NO_FLASH, "1")
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises classes of its own, without a common base
        first = str(error).splitlines()[0]
        raise BundleError(f"{path}: ONNX Runtime cannot load the model ({first})") from error
