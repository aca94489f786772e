"""`m31r-train info`: a configuration's size, work, memory and time as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from m31r_core.config import load_toml
from m31r_core.errors import ConfigError
from m31r_train import cost
from m31r_train.config import TrainConfig


def info(
    path: Path,
    overrides: Sequence[str],
    *,
    processes: int = 1,
    flops: float | None = None,
    mfu: float = 0.4,
    measure: bool = False,
    as_json: bool = False,
) -> int:
    """Print what the configuration at `path` costs on each of `processes` devices.

    The time is that of devices whose peak is `flops` a second and of which the run uses `mfu`, 0
    to 1; with `measure`, that of this machine, found by some steps. Without either, none is given.
    """
    if processes < 1:
        raise ConfigError(f"--processes must be at least 1, not {processes}")
    config = load_toml(path, TrainConfig, overrides)
    found = costs(config, processes)
    if flops is not None:
        found["seconds"] = cost.seconds(config, flops * mfu, processes)
        found["time_of"] = f"{processes} x {flops:.3g} FLOP/s, {mfu:.0%} used"
    if measure:
        rate = cost.measure(config)
        found["seconds"] = cost.measured_seconds(config, rate)
        found["time_of"] = f"this machine: {config.device}, measured"
        found["flop_per_second"] = found["work"]["in_all"] / found["seconds"]
    if as_json:
        print(json.dumps(found, indent=2))
        return 0
    table = Table("quantity", "value", title=str(path))
    for name, value in _rows(config, found):
        table.add_row(name, value)
    Console().print(table)
    return 0


def costs(config: TrainConfig, processes: int = 1) -> dict[str, Any]:
    """Return all that can be known without running, as plain numbers; memory in bytes."""
    training = cost.training_memory(config, processes)
    return {
        "parameters": asdict(cost.parameters(config.model)),
        "work": asdict(cost.work(config)),
        "processes": processes,
        "training_memory": {**asdict(training), "total": training.total},
        "state_file": cost.state_bytes(config),
        "inference_memory": asdict(cost.inference_memory(config.model)),
    }


def _rows(config: TrainConfig, found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    counts, work = found["parameters"], found["work"]
    training, inference = found["training_memory"], found["inference_memory"]
    yield "parameters", f"{counts['all']:,}"
    yield "  without the embedding", f"{counts['all'] - counts['embedding']:,}"
    per_parameter = work["tokens"] / counts["all"]
    yield "tokens planned", f"{work['tokens'] / 1e6:,.0f}M, {per_parameter:.1f} a parameter"
    if work["train_tokens"]:
        passes = work["tokens"] / work["train_tokens"]
        split = f"{work['train_tokens'] / 1e6:,.1f}M"
        yield "  passes over the train split", f"{passes:.1f} of {split}"
    each = cost.TOKENS_PER_PARAMETER
    wanted = f"{work['tokens_wanted'] / 1e6:,.0f}M, {each} a parameter (Hoffmann 2022), or more"
    yield "tokens wanted", wanted
    yield "training FLOPs a token", f"{work['per_token']:.3g}"
    yield "training FLOPs", f"{work['in_all']:.3g}"
    muon = work["muon_per_step"] * config.plan.steps / work["in_all"]
    yield "  of which Muon's iterations", f"{muon:.1%}"
    yield f"training memory, each of {found['processes']}", _size(training["total"])
    for name in ("weights", "gradients", "moments", "owned", "casts", "activations", "loss"):
        if training[name]:
            yield f"  {_NAMES[name]}", _size(training[name])
    yield "trainer state on disk", _size(found["state_file"])
    yield "inference: weights, int8", _size(inference["int8"])
    yield "inference: weights, int4", _size(inference["int4"])
    context = f"{config.model.context_length:,} tokens"
    yield f"inference: KV cache, {context}", _size(inference["cache"])
    if "seconds" in found:
        yield "time", f"{_time(found['seconds'])} ({found['time_of']})"


_NAMES = {
    "weights": "weights, float32",
    "gradients": "gradients, float32",
    "moments": "moments of Muon and AdamW",
    "owned": "matrices that this process steps on",
    "casts": "weights as they compute",
    "activations": "activations of a micro-batch, about",
    "loss": "logits of a chunk, and the loss's gradients",
}


def _size(count: int) -> str:
    return f"{count / 2**30:,.2f} GiB" if count >= 2**30 else f"{count / 2**20:,.1f} MiB"


def _time(seconds: float) -> str:
    for unit, size in (("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.1f} seconds"
