"""How long an adapter is trained, and which of its weights are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from m31r_core.errors import ConfigError, M31RError
from m31r_train.adapt.config import AdaptConfig
from m31r_train.adapt.lora import Adapter
from m31r_train.config import PlanConfig
from m31r_train.loader import RowLoader
from m31r_train.optimiser import schedule
from m31r_train.rows import Batch

# The first step is slower than the rest, and the time of the next few varies.
_MEASURED_FROM = 2
# Of the time that is left, what the steps are planned to take.
_SAFETY = 0.9


@dataclass(frozen=True)
class Trained:
    """What training came to.

    `steps` were done of `planned`; the weights in `state` are those after `best_step`, where the
    loss on the files for stopping was `stop_loss`; before the first step it was `first_stop_loss`
    (nats a token). `seconds` are wall time, `why_ended` is a short constant.
    """

    state: dict[str, Tensor]
    planned: int
    steps: int
    best_step: int
    first_stop_loss: float
    stop_loss: float
    tokens: int
    seconds: float
    why_ended: str


class Show(Protocol):
    """Where progress goes."""

    def __call__(self, step: int, planned: int, line: str = "") -> None:
        """Say that `step` of `planned` steps are done, and `line`, if it is not empty."""


def train_adapter(
    adapter: Adapter,
    rows: RowLoader,
    stop: list[Batch],
    config: AdaptConfig,
    *,
    seconds: float,
    log: Path,
    show: Show,
) -> Trained:
    """Train for at most `seconds` of wall time, or for `config.steps`, writing losses to `log`.

    Raises ConfigError when the time is too short for the warm-up, M31RError when the loss is not
    finite.
    """
    begin = perf_counter()
    best = first = adapter.mean_loss(stop)
    state, best_step, without_better, tokens = adapter.state(), 0, 0, 0
    plan = _plan(config, config.steps or _most_steps(rows, config))
    steps, why = 0, "all steps done"
    batches = closing(rows.batches(0, config.pace.rows))
    with log.open("w", encoding="utf-8") as file, batches as endless:
        started = perf_counter()
        for batch in endless:
            if steps == plan.steps:
                break
            result = adapter.step(batch, schedule(steps, plan))
            if not result.loss < float("inf"):
                raise M31RError(f"step {steps + 1}: the loss is not finite; lower 'pace.rate'")
            steps, tokens = steps + 1, tokens + result.tokens
            if steps == _MEASURED_FROM:
                started = perf_counter()
            if steps == config.pace.warmup_steps and not config.steps:
                rate = (perf_counter() - started) / max(steps - _MEASURED_FROM, 1)
                left = seconds - (perf_counter() - begin)
                plan = _plan(config, min(plan.steps, steps + int(_SAFETY * left / rate)))
            line = {"step": steps, "loss": round(result.loss, 5)}
            if steps >= plan.warmup_steps and _is_check(steps, plan.steps, config.pace.checks):
                loss = adapter.mean_loss(stop)
                line["stop_loss"] = round(loss, 5)
                without_better += 1
                if loss < best:
                    best, best_step, without_better, state = loss, steps, 0, adapter.state()
                show(steps, plan.steps, f"loss {result.loss:.3f}, on files for stopping {loss:.3f}")
            else:
                show(steps, plan.steps)
            file.write(json.dumps(line) + "\n")
            if without_better == config.pace.patience:
                why = "no better loss"
                break
            if not config.steps and perf_counter() - begin > seconds:
                why = "out of time"
                break
    return Trained(
        state=state,
        planned=plan.steps,
        steps=steps,
        best_step=best_step,
        first_stop_loss=first,
        stop_loss=best,
        tokens=tokens,
        seconds=perf_counter() - begin,
        why_ended=why,
    )


def _most_steps(rows: RowLoader, config: AdaptConfig) -> int:
    """Return how many steps `max_passes` over the rows are, and no fewer than the warm-up."""
    passes = -(-config.pace.max_passes * rows.rows_per_pass // config.pace.rows)
    return max(passes, config.pace.warmup_steps + 1)


def _plan(config: AdaptConfig, steps: int) -> PlanConfig:
    pace = config.pace
    warmup = min(pace.warmup_steps, steps)
    if not config.steps and steps <= pace.warmup_steps:
        raise ConfigError(f"'minutes' = {config.minutes:g} is too short to train; give it more")
    row_tokens = pace.rows * config.loader.sequence
    decay = min(round(pace.decay_share * steps), steps - warmup)
    return PlanConfig(steps, row_tokens, pace.rows, warmup, decay)


def _is_check(step: int, steps: int, checks: int) -> bool:
    """Say whether one of `checks` evenly spread places lies at `step`, the last at the end."""
    return step * checks // steps > (step - 1) * checks // steps


@contextmanager
def progress() -> Iterator[Show]:
    """Show a bar on a terminal, the lines alone elsewhere, both on stderr."""
    columns = (TextColumn("adapt"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("adapt")

        def show(step: int, planned: int, line: str = "") -> None:
            bar.update(task, completed=step, total=planned)
            if line:
                console.print(f"step {step}/{planned}: {line}", highlight=False)

        yield show
