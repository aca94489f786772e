"""What a run tells: a progress line, JSON Lines and TensorBoard."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from m31r_train.checkpoint import Position
from m31r_train.config import TrainConfig

if TYPE_CHECKING:
    from m31r_train.replica import StepResult


class RunLog:
    """Writes `log.jsonl` and TensorBoard events to the run's folder, and shows progress."""

    def __init__(self, config: TrainConfig, position: Position) -> None:
        """Append to the logs of `config.output`, from `position` on."""
        self._config = config
        self._file = (config.output / "log.jsonl").open("a", encoding="utf-8")
        self._board = SummaryWriter(str(config.output / "tensorboard"))
        self._console = Console()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task(
            "starting", total=config.plan.steps, completed=position.step
        )
        self._progress.start()
        self._since = time.perf_counter()
        self._tokens = 0

    def note(self, text: str) -> None:
        """Show a line."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def step(self, position: Position, result: StepResult, factor: float) -> None:
        """Log a step; the rate of tokens is the mean since the last line."""
        self._tokens += result.tokens
        if position.step % self._config.log_every and position.step != self._config.plan.steps:
            return
        now = time.perf_counter()
        rate = self._tokens / (now - self._since)
        self._since, self._tokens = now, 0
        self._write(
            position,
            loss=result.loss,
            grad_norm=result.grad_norm,
            rate_factor=factor,
            tokens_per_second=rate,
        )
        left = (self._config.plan.steps - position.step) * self._config.plan.batch_tokens / rate
        text = f"loss {result.loss:.3f}  {rate:,.0f} tokens/s"
        self._progress.update(self._task, completed=position.step, description=text)
        if not self._console.is_terminal:
            done = f"step {position.step}/{self._config.plan.steps}"
            self._console.print(f"{done}  {text}  {left / 60:.0f} min left")

    def valid(self, position: Position, loss: float, bytes_per_token: float) -> None:
        """Log the loss on the valid split, in nats a token and bits a byte."""
        bits = loss / math.log(2) / bytes_per_token
        self._write(position, valid_loss=loss, valid_bits_per_byte=bits)
        self._console.print(
            f"step {position.step}  valid {loss:.4f} nats/token, {bits:.4f} bits/byte"
        )

    def close(self) -> None:
        """Flush and close everything."""
        self._progress.stop()
        self._file.close()
        self._board.close()

    def _write(self, position: Position, **values: float) -> None:
        row = {"step": position.step, "tokens": position.tokens, "time": time.time(), **values}
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, position.step)
