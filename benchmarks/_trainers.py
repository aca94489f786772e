"""What benchmarks/train.py compares: two trainers, each in a process that is told when to go on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from m31r_core.model import Decoder, save_checkpoint
from m31r_core.shards import TOKENIZER
from m31r_core.tokenizer import PAD, Tokenizer
from m31r_train.config import TrainConfig
from m31r_train.peak import gemm_peaks
from m31r_train.pretrain import Trainer
from m31r_train.rows import Batch

_ROOT = Path(__file__).parents[1]
# A target that the loss of transformers leaves out.
_IGNORED = -100


class _Ended(Exception):  # noqa: N818 (no error)
    """There are no more turns."""


class Turns:
    """The other end of a side: says when to go on, and sends what a turn took."""

    def __init__(self, pipe: Connection, config: TrainConfig) -> None:
        """Take orders from `pipe`."""
        self._pipe, self._device = pipe, config.device
        self._dtype: torch.dtype = getattr(torch, config.dtype)
        self._steps = self._left = 0
        self._start = (0.0, 0.0)

    def next_step(self) -> bool:
        """Call before each step: returns when it shall be done, or false at the end."""
        if self._left == 0 and not self._next_turn():
            return False
        self._left -= 1
        return True

    def _next_turn(self) -> bool:
        if self._steps:
            wall, cpu = (now - then for now, then in zip(self._clocks(), self._start, strict=True))
            self._pipe.send({"wall": wall / self._steps, "cpu": cpu / self._steps})
        try:
            while (order := self._pipe.recv()) == "peaks":
                self._pipe.send(gemm_peaks(self._device, self._dtype))
        except EOFError:
            return False
        if order == "end":
            return False
        self._steps = self._left = int(order)
        self._start = self._clocks()
        return True

    def _clocks(self) -> tuple[float, float]:
        if self._device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter(), time.process_time()


def train_ours(pipe: Connection, _: str, config: TrainConfig, folder: Path) -> None:
    """Train with the project's trainer: the main function of a side."""
    trainer, turns = Trainer(config), Turns(pipe, config)
    batches = _micro_batches(folder / "rows.npz", config)
    while turns.next_step():
        trainer.step(batches)


def train_theirs(pipe: Connection, name: str, config: TrainConfig, folder: Path) -> None:
    """Train with the Trainer of transformers: the main function of a side.

    Its targets are ours, given as already shifted; padding does not count. There is no attention
    mask, as nothing follows padding, which lets its attention take the causal path.
    """
    _hide_datasets()
    import transformers

    class Callback(transformers.TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if not turns.next_step():
                raise _Ended

    torch.set_num_threads(config.threads)
    turns = Turns(pipe, config)
    plan, options = config.plan, config.optimiser
    model = _their_model(config, folder / name, torch.bfloat16 if "bfloat16" in name else None)
    arguments = transformers.TrainingArguments(
        output_dir=str(folder / name),
        use_cpu=config.device == "cpu",
        bf16=name.startswith("autocast"),
        torch_compile=name.endswith("compiled"),
        optim="adamw_torch_fused",
        learning_rate=options.adamw_rate / 10,
        lr_scheduler_type="constant",
        max_grad_norm=options.clip_norm,
        per_device_train_batch_size=plan.micro_rows,
        gradient_accumulation_steps=_micro_steps(config),
        max_steps=10**6,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=config.device == "cuda",
    )
    trainer = transformers.Trainer(
        model=model,
        args=arguments,
        train_dataset=TheirRows(folder / "rows.npz"),
        callbacks=[Callback()],
    )
    with suppress(_Ended):
        trainer.train()


class TheirRows(torch.utils.data.Dataset[dict[str, NDArray[np.int64]]]):
    """The rows as the Trainer of transformers wants them, over and over."""

    def __init__(self, file: Path) -> None:
        """Read what `save_rows` wrote."""
        arrays = np.load(file)
        self._inputs = arrays["inputs"]
        self._targets = np.where(arrays["targets"] == PAD, _IGNORED, arrays["targets"])

    def __len__(self) -> int:
        """Return a number of rows that no run comes to the end of."""
        return len(self._inputs) * 10_000

    def __getitem__(self, i: int) -> dict[str, NDArray[np.int64]]:
        """Return row `i`, its targets both where the loss looks and where the model looks."""
        place = i % len(self._inputs)
        targets = self._targets[place]
        return {"input_ids": self._inputs[place], "labels": targets, "shift_labels": targets}


def _hide_datasets() -> None:
    """Leave this folder out of the import path: transformers takes datasets/ for a package."""
    sys.path = [entry for entry in sys.path if Path(entry).resolve() != _ROOT]


def _their_model(config: TrainConfig, folder: Path, dtype: torch.dtype | None) -> Any:
    """Return our random weights as a model of transformers, in float32 or `dtype`."""
    import transformers

    torch.manual_seed(config.seed)
    tokenizer = Tokenizer.load(config.dataset / TOKENIZER)
    save_checkpoint(folder, Decoder(config.model).state_dict(), config.model, tokenizer)
    load: Callable[..., Any] = transformers.AutoModelForCausalLM.from_pretrained
    return load(folder, dtype=dtype or torch.float32, attn_implementation="sdpa")


def _micro_batches(file: Path, config: TrainConfig) -> Iterator[Batch]:
    arrays, size = np.load(file), config.plan.micro_rows
    inputs, targets, weights = (arrays[name] for name in ("inputs", "targets", "weights"))
    starts = range(0, len(inputs), size)
    parts = [slice(start, start + size) for start in starts]
    return cycle([Batch(inputs[part], targets[part], weights[part]) for part in parts])


def _micro_steps(config: TrainConfig) -> int:
    return config.plan.batch_tokens // (config.plan.micro_rows * config.loader.sequence)
