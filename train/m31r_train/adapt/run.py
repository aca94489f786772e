"""`m31r-train adapt`: from a workspace to a bundle that knows it, with a measurement of both.

What is written, all of it under the output folder:

    adapt.json           the configuration and all numbers
    bundle/              what `m31r-lsp --model` takes
    checkpoint/          the same weights as a Hugging Face folder, float32
    log.jsonl            the losses
    data/, evaluation/   the user's files as tokens; the tasks, and both models' answers
    base/ or before/     what was adapted, in the form that it was not given in
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from m31r_core.bundle import MODEL_CARD
from m31r_core.errors import ConfigError
from m31r_core.model import save_checkpoint
from m31r_core.tokenizer import Tokenizer
from m31r_train.adapt.base import ADAPTED, Base, export, find_source, open_base
from m31r_train.adapt.config import AdaptConfig
from m31r_train.adapt.dataset import (
    bytes_per_token,
    held_back_batches,
    open_train_rows,
    stop_batches,
    write_dataset,
)
from m31r_train.adapt.lora import Adapter
from m31r_train.adapt.measure import Comparison, answer_tasks, compare, cut_tasks
from m31r_train.adapt.report import model_card, show_files, show_result
from m31r_train.adapt.training import Trained, progress, train_adapter
from m31r_train.adapt.workspace import Found, Split, read_workspace, split_files
from m31r_train.checkpoint import RUN

RESULT = "adapt.json"
_WRITTEN = ("bundle", "checkpoint", "data", "evaluation", "base", "before")
# Wall time kept free for merging and exporting.
_FINISH_SECONDS = 10.0


def run_adapt(workspace: Path, model: Path | None, out: Path | None, config: AdaptConfig) -> int:
    """Adapt to `workspace`; returns 1 when its held-back files are completed worse than before.

    Writes under `out` alone (default: runs/adapt-NAME). Raises ConfigError for too little Rust, a
    model that is none, or a folder that holds something else; M31RError for what fails.
    """
    begin = perf_counter()
    if config.threads:
        torch.set_num_threads(config.threads)
    workspace = workspace.resolve()
    out = out or Path("runs") / f"adapt-{workspace.name}"
    source = find_source(model)
    tokenizer = Tokenizer.load(source.tokenizer_file)
    found = read_workspace(workspace, tokenizer, config.filters)
    split = split_files(found, config.hold_back, config.seed)
    _start(out, config)
    show_files(workspace, found, split)
    write_dataset(out / "data", split, source.tokenizer_file)
    base = open_base(source, out)
    measuring = _answer_before(base, out, config) if split.held_back else 0.0
    adapter = Adapter(base.checkpoint, config)
    left = 60 * config.minutes - (perf_counter() - begin) - measuring - _FINISH_SECONDS
    trained, bits = _train(adapter, tokenizer, split, out, config, left)
    name = f"{base.bundle.manifest.model_id}-{workspace.name}"
    _save(adapter, trained, tokenizer, base, split, name, out / "checkpoint")
    bundle = export(out / "checkpoint", out / "bundle", base.bundle.manifest.quant)
    result = _compare(out, bundle.path, bits, config) if split.held_back else None
    seconds = perf_counter() - begin
    numbers = {
        "model": base.bundle.manifest.model_id,
        "workspace": workspace.name,
        "seconds": round(seconds, 1),
        "files": _files(found, split),
        "adapter_parameters": adapter.parameters,
        "training": {key: value for key, value in vars(trained).items() if key != "state"},
        "held_back": result.as_json() if result else None,
        "config": _as_json(config),
    }
    _write(out / RESULT, numbers)
    show_result(result, trained, bundle.path, seconds)
    return 1 if result is not None and result.verdict == "worse" else 0


def _start(out: Path, config: AdaptConfig) -> None:
    """Make the output folder, or empty that of an earlier adaptation."""
    if out.exists() and not (out / RESULT).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out}: exists and is no earlier adaptation; choose another --out")
    for name in _WRITTEN:
        shutil.rmtree(out / name, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    # Of the user's code, nothing may end in a repository by accident.
    (out / ".gitignore").write_text("*\n", encoding="utf-8")
    _write(out / RESULT, {"unfinished": True, "config": _as_json(config)})


def _answer_before(base: Base, out: Path, config: AdaptConfig) -> float:
    """Let the model as it is answer the tasks; returns the seconds that it took."""
    begin = perf_counter()
    tasks = out / "evaluation" / "tasks.jsonl"
    cut_tasks(out / "data", tasks, count=config.hold_back.tasks, seed=config.seed)
    answer_tasks(tasks, base.bundle.path, tasks.parent / "before", config)
    return perf_counter() - begin


def _compare(out: Path, bundle: Path, bits: tuple[float, float], config: AdaptConfig) -> Comparison:
    """Let the adapted model answer the same tasks."""
    tasks = out / "evaluation" / "tasks.jsonl"
    answer_tasks(tasks, bundle, tasks.parent / "after", config)
    return compare(tasks.parent / "before", tasks.parent / "after", bits, config.seed)


def _train(
    adapter: Adapter,
    tokenizer: Tokenizer,
    split: Split,
    out: Path,
    config: AdaptConfig,
    seconds: float,
) -> tuple[Trained, tuple[float, float]]:
    """Train; returns also the bits per byte of the held-back files, before and after."""
    begin = perf_counter()
    data, rows = out / "data", config.pace.rows
    stop = stop_batches(data, tokenizer, config.loader, rows)
    held_back = held_back_batches(data, tokenizer, config.loader, rows) if split.held_back else []
    before = adapter.mean_loss(held_back)
    # The same is done once more, after training.
    left = seconds - 2 * (perf_counter() - begin)
    with progress() as show:
        endless = open_train_rows(data, tokenizer, config.loader, config.seed)
        log = out / "log.jsonl"
        trained = train_adapter(adapter, endless, stop, config, seconds=left, log=log, show=show)
    adapter.load_state(trained.state)
    bits = math.log(2) * (bytes_per_token(split.held_back) if split.held_back else 1.0)
    return trained, (before / bits, adapter.mean_loss(held_back) / bits)


def _save(
    adapter: Adapter,
    trained: Trained,
    tokenizer: Tokenizer,
    base: Base,
    split: Split,
    name: str,
    checkpoint: Path,
) -> None:
    """Write the merged weights, and what the bundle's manifest and card say of them."""
    save_checkpoint(checkpoint, adapter.merged(trained.state), adapter.sizes, tokenizer)
    manifest = base.bundle.manifest
    texts = "".join(file.document.sha256 for file in split.train)
    run = {
        "model_id": name,
        "run_id": f"{ADAPTED}{manifest.run_id}",
        "dataset_id": hashlib.sha256(texts.encode()).hexdigest()[:16],
        "tokenizer_id": manifest.tokenizer_id,
    }
    _write(checkpoint / RUN, run)
    text = model_card(name, manifest.model_id, trained, len(split.train))
    (checkpoint / MODEL_CARD).write_text(text, encoding="utf-8")


def _files(found: Found, split: Split) -> dict[str, Any]:
    """Return which files were used for what, by path, and why others were not."""
    parts: dict[str, Any] = {
        name: {
            "tokens": sum(len(file.ids) for file in files),
            "paths": [file.document.path for file in files],
        }
        for name, files in vars(split).items()
    }
    return {"tokens": found.tokens, **parts, "left_out": found.left_out}


def _as_json(config: AdaptConfig) -> dict[str, Any]:
    values = asdict(config)
    del values["loader"]["mixture"]
    return values


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
