"""What a run tells while it runs: a progress line, JSON Lines, TensorBoard and a page.

`log.jsonl` has a row for each line of the log: `step`, `tokens`, `time` (seconds since 1970), and
either numbers by name, or an `event` and what belongs to it. A number that is not finite is null.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from m31r_train.checkpoint import Position
from m31r_train.config import TrainConfig
from m31r_train.page import LOG, write_page
from m31r_train.peak import gemm_peak
from m31r_train.recovery import cut_log

if TYPE_CHECKING:
    from m31r_train.replica import StepResult

_WORTH_A_NOTE = 1.2


class RunLog:
    """Writes the logs of a run to its folder, and shows progress."""

    def __init__(self, config: TrainConfig, position: Position, processes: int = 1) -> None:
        """Append to the logs of `config.output`, from `position` on.

        The first row tells of the run: its configuration, its FLOPs a token and, with
        `watch.peak`, the machine's peak, of all `processes` together.
        """
        self._config, self._rows = config, 0
        self._open(position)
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
        self._flops_per_token = config.model.flops_per_token(config.loader.sequence)
        self._peak = _peak(config) * processes
        self._start(position, processes)
        self._progress.start()
        if self._peak and config.device == "cpu":
            self._name_a_faster_dtype(self._peak / processes)
        self._seconds, self._tokens = 0.0, 0
        self._began, self._first = time.perf_counter(), position.step

    def note(self, text: str) -> None:
        """Show a line."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def event(self, position: Position, name: str, **details: object) -> None:
        """Log that something happened at `position`, such as a skipped step; show nothing."""
        rewinds = {"rewinds": position.health.rewinds} if position.health.rewinds else {}
        self._write(position, {"event": name, **rewinds, **details})

    def timed(self, steps: Iterator[StepResult]) -> Iterator[StepResult]:
        """Pass `steps` on and count the time they take; what else a run does is not theirs."""
        while True:
            start = time.perf_counter()
            try:
                result = next(steps)
            except StopIteration:
                return
            self._seconds += time.perf_counter() - start
            yield result

    def step(self, position: Position, result: StepResult, factor: float) -> None:
        """Log a step; the rate of tokens is the mean over the steps since the last line."""
        self._tokens += result.tokens
        plan = self._config.plan
        if position.step % self._config.log_every and position.step != plan.steps:
            return
        rate = self._tokens / self._seconds
        self._seconds, self._tokens = 0.0, 0
        values = {
            "loss": result.loss,
            "grad_norm": result.grad_norm,
            "rate_factor": factor,
            "tokens_per_second": rate,
        }
        text = f"loss {result.loss:.3f}  {rate:,.0f} tokens/s"
        if self._peak:
            values["mfu"] = rate * self._flops_per_token / self._peak
            text += f"  MFU {values['mfu']:.0%}"
        self.numbers(position, values)
        self._progress.update(self._task, completed=position.step, description=text)
        if not self._console.is_terminal:
            each = (time.perf_counter() - self._began) / max(position.step - self._first, 1)
            left = (plan.steps - position.step) * each
            done = f"step {position.step}/{plan.steps}"
            self.note(f"{done}  {text}  {left / 60:.0f} min left")

    def skipped(self, position: Position, result: StepResult, limit: float) -> None:
        """Log a bad step; `limit` is the loss that it had to keep under."""
        loss, norm = result.loss, result.grad_norm
        self.event(position, "skipped", bad_loss=loss, bad_grad_norm=norm, limit=limit)
        self.note(
            f"step {position.step}: skipped; loss {loss:.3f} (limit {limit:.3f}), "
            f"gradient norm {norm:.3g}"
        )

    def valid(self, position: Position, loss: float, bytes_per_token: float) -> None:
        """Log the loss on the valid split, in nats a token and bits a byte."""
        bits = loss / math.log(2) / bytes_per_token
        self.numbers(position, {"valid_loss": loss, "valid_bits_per_byte": bits})
        self.note(f"step {position.step}  valid {loss:.4f} nats/token, {bits:.4f} bits/byte")

    def numbers(self, position: Position, values: Mapping[str, float]) -> None:
        """Log numbers by name, to TensorBoard too."""
        self._write(position, values)
        for name, value in values.items():
            self._board.add_scalar(name, value, position.step)

    def cut(self, position: Position) -> None:
        """Forget what was logged after `position`, to which the run has gone back."""
        self._file.close()
        self._board.close()
        self._open(position)

    def close(self) -> None:
        """Flush and close everything."""
        self._progress.stop()
        self._file.close()
        self._board.close()
        if self._config.watch.report_every:
            self._write_page()

    def _open(self, position: Position) -> None:
        """Open the logs to append to, without what a killed run wrote after `position`."""
        path = self._config.output / LOG
        cut_log(path, position.step, position.health.rewinds)
        self._file = path.open("a", encoding="utf-8")
        board = self._config.output / "tensorboard"
        self._board = SummaryWriter(str(board), purge_step=position.step + 1)

    def _start(self, position: Position, processes: int) -> None:
        details: dict[str, object] = {
            "config": _plain(asdict(self._config)),
            "parameters": self._config.model.parameters,
            "flops_per_token": self._flops_per_token,
            "processes": processes,
            "torch": torch.__version__,
        }
        if self._peak:
            details["peak_flops"] = self._peak
        self.event(position, "started", **details)

    def _name_a_faster_dtype(self, peak: float) -> None:
        """Show what the other dtype's products do, where they are faster by a fifth."""
        other = "float32" if self._config.dtype == "bfloat16" else "bfloat16"
        ratio = gemm_peak("cpu", getattr(torch, other)) / peak
        if ratio > _WORTH_A_NOTE:
            self.note(
                f"products in {other} are {ratio:.1f} times as fast on this machine: "
                f"consider --set dtype={other}"
            )

    def _write(self, position: Position, values: Mapping[str, object]) -> None:
        row = {"step": position.step, "tokens": position.tokens, "time": time.time(), **values}
        self._file.write(json.dumps(_plain(row)) + "\n")
        self._file.flush()
        self._rows += 1
        if self._config.watch.report_every and not self._rows % self._config.watch.report_every:
            self._write_page()

    def _write_page(self) -> None:
        """Write the run's page. A run does not end because its page cannot be written."""
        try:
            write_page(self._config.output)
        except OSError as error:
            self.note(f"no page: {error}")


def _peak(config: TrainConfig) -> float:
    """Return the peak of one process in FLOP/s; 0 where it is not wanted."""
    return gemm_peak(config.device, getattr(torch, config.dtype)) if config.watch.peak else 0.0


def _plain(value: object) -> object:
    """Return `value` as JSON can hold it."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
