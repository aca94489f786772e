"""`m31r-train run`: the training loop."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from signal import Signals

import torch

from m31r_core.config import load_toml
from m31r_core.errors import ConfigError, M31RError
from m31r_core.shards import MANIFEST, TOKENIZER, TokenDataset
from m31r_core.tokenizer import Tokenizer
from m31r_train import checkpoint
from m31r_train.checkpoint import Position
from m31r_train.config import LoaderConfig, TrainConfig
from m31r_train.loader import RowLoader
from m31r_train.mixture import open_rows
from m31r_train.optimiser import schedule
from m31r_train.parallel import World, alike, check_batch, open_world
from m31r_train.quiet import QuietLog
from m31r_train.replica import Replica, StepResult
from m31r_train.report import RunLog
from m31r_train.rows import Batch
from m31r_train.stopping import StopRequest, stop_on_signals
from m31r_train.watching import Watch
from m31r_train.writer import BackgroundWriter, copied

_LOWER = "lower the rates in [optimiser]"
_VALID_SEED = 1
# The loader of run 1: its losses compare with those of all runs since.
_VALID_LAYOUT = LoaderConfig(
    fim_share=0.65, psm_share=0.1, line_share=0.6, node_share=0.25, min_example=160
)

Log = RunLog | QuietLog


def run_training(path: Path, overrides: Sequence[str], *, resume: bool) -> int:
    """Train what the configuration at `path` describes.

    The exit code: 0 when all steps are done, 143 or 130 when SIGTERM or Ctrl-C stopped it.
    """
    with alike():
        config = load_toml(path, TrainConfig, overrides)
        _check_output(config.output, resume=resume)
    with open_world(config.device) as world:
        with world.together():
            if world.main:
                config.output.mkdir(parents=True, exist_ok=True)
                checkpoint.remove_partial(config.output)
                shutil.copyfile(path, config.output / "config.toml")
        trainer = Trainer(config, world)
        with stop_on_signals() as stop:
            done = trainer.train(resume=resume, stop=stop)
    return 0 if done else stop.exit_code


def _check_output(output: Path, *, resume: bool) -> None:
    if resume and not checkpoint.checkpoints(output):
        raise ConfigError(f"{output}: nothing to resume; start without --resume")
    if not resume and checkpoint.checkpoints(output):
        raise ConfigError(f"{output}: holds a run; add --resume or choose another output")


def _open_tokenizer(config: TrainConfig) -> Tokenizer:
    tokenizer = Tokenizer.load(config.dataset / TOKENIZER)
    if tokenizer.vocab_size != config.model.vocab_size:
        raise ConfigError(
            f"'model.vocab_size' is {config.model.vocab_size}, but the tokenizer of "
            f"{config.dataset} has {tokenizer.vocab_size} tokens"
        )
    return tokenizer


def _started_from(folder: Path | None) -> dict[str, object]:
    """Return which run's weights this one begins with, and all tokens that those have seen."""
    earlier = checkpoint.run_description(folder) if folder else {}
    if not earlier:
        return {}
    tokens = checkpoint.tokens_seen(earlier)
    return {"started_from": {"run_id": earlier.get("run_id", ""), "tokens": tokens}}


class Trainer:
    """A run in memory: model, optimiser and data, all as the configuration says.

    In a run of several processes each has its trainer, and all do the same in the same order. The
    first alone writes logs and checkpoints. Position, losses and counts are those of all together.
    """

    def __init__(self, config: TrainConfig, world: World | None = None) -> None:
        """Load data and model. Raises M31RError or ConfigError naming what does not fit."""
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config = config
        self.world = world or World.alone(config.device)
        with self.world.together():
            check_batch(config, self.world)
            self.tokenizer = _open_tokenizer(config)
            self.loader = open_rows(
                config.dataset, "train", self.tokenizer, config.loader, config.seed
            )
            self._started_from = _started_from(config.start_from)
        self.replica = Replica(config, self.world)
        self.position = Position(0, 0, 0)
        self.notes: list[str] = []
        self._saved = 0
        self._writer = BackgroundWriter()
        self._watch = Watch(config, self.tokenizer)

    def train(self, *, resume: bool = False, stop: StopRequest | None = None) -> bool:
        """Run to the plan's last step, logging, validating and saving on the way.

        Returns whether it came there: when `stop` asks for it, the run saves and ends earlier.
        Raises M31RError when a checkpoint cannot be written or too many steps are bad.
        """
        stop = stop or StopRequest()
        if resume:
            self.resume()
        log = self._open_log()
        try:
            for note in (*self.notes, *self.loader.notes):
                log.note(note)
            with self._writer:
                for result in log.timed(self._steps()):
                    self._after_step(log, result)
                    # It may have come to some of the processes only, by now.
                    if number := self.world.max(stop.signal or 0):
                        stop.signal = Signals(number)
                        self._stop(log, stop.signal.name)
                        break
        finally:
            log.close()
        return self.position.step == self.config.plan.steps

    def resume(self) -> None:
        """Take the newest whole checkpoint of the run's folder; a damaged one is noted."""
        output = self.config.output
        with self.world.together():
            _, state, self.position = checkpoint.load_newest(output, self.notes.append)
        self.replica.load_state(state)
        self._saved = self.position.step

    def rewind(self, log: Log) -> None:
        """Go back to the newest checkpoint, and on with the rows that come after the bad ones.

        When the run has gone back there before, it goes to the checkpoint before that one. Raises
        M31RError when there is none, or too often: the message says what to try.
        """
        output, health = self.config.output, self.position.health
        what = f"step {self.position.step}: {health.bad} bad steps in a row"
        if health.rewinds >= self.config.recovery.rewinds:
            raise M31RError(f"{what} after {health.rewinds} rewinds; {_LOWER}")
        self._writer.wait()
        self.world.barrier()
        if not checkpoint.checkpoints(output):
            raise M31RError(f"{what} and no checkpoint to go back to; {_LOWER}")
        folder, state, position = checkpoint.load_newest(output, log.note)
        if position.health.rewinds < health.rewinds and len(checkpoint.checkpoints(output)) > 1:
            self.world.barrier()
            if self.world.main:
                checkpoint.remove(folder)
            self.world.barrier()
            _, state, position = checkpoint.load_newest(output, log.note)
        self.replica.load_state(state)
        self._saved = position.step
        after = position.health.rewound(health.rewinds + 1)
        skipped = self.position.rows - position.rows
        self.position = replace(position, rows=self.position.rows, health=after)
        log.cut(self.position)
        log.event(self.position, "rewound", why=what, rows_skipped=skipped)
        log.note(f"{what}; back to step {position.step}, and on with the rows after them")

    def save(self) -> Path:
        """Write a checkpoint for the present step and return its folder."""
        folder = self._start_save()
        self._writer.wait()
        return folder

    def step(self, batches: Iterator[Batch]) -> StepResult:
        """Do one optimiser step on this process's share of the plan's batch."""
        plan = self.config.plan
        row_tokens = plan.micro_rows * self.config.loader.sequence * self.world.size
        micro = [next(batches) for _ in range(plan.batch_tokens // row_tokens)]
        before, recovery = self.position, self.config.recovery
        limit = before.health.limit(recovery)
        result = self.replica.step(micro, schedule(before.step, plan), limit)
        self.position = Position(
            before.step + 1,
            before.rows + plan.batch_tokens // self.config.loader.sequence,
            before.tokens + (result.tokens if result.applied else 0),
            before.health.after(result.loss, recovery, applied=result.applied),
        )
        return result

    def validate(self) -> float:
        """Return the mean negative log likelihood of the valid split, nats a token.

        The rows are the same at every call, in the training layout, and of code, however the
        loader cuts and mixes: losses of runs compare. All tokens weigh the same.
        """
        rows, each = self.config.valid_rows, self.config.plan.micro_rows
        dataset = TokenDataset.open(self.config.dataset, "valid")
        sequence = self.config.loader.sequence
        smallest = min(_VALID_LAYOUT.min_example, sequence // 3)
        layout = replace(_VALID_LAYOUT, sequence=sequence, min_example=smallest)
        loader = RowLoader(dataset, self.tokenizer, layout, _VALID_SEED)
        firsts = range(0, max(rows // each, 1) * each, each)
        return self.replica.mean_loss([loader.batch(first, each) for first in firsts])

    def bytes_per_token(self) -> float:
        """Return the mean number of bytes that a token of the valid split stands for."""
        dataset = TokenDataset.open(self.config.dataset, "valid")
        sample = range(min(len(dataset), 200))
        size = sum(len(self.tokenizer.decode_bytes(dataset.document(i).tolist())) for i in sample)
        return size / sum(len(dataset.document(i)) for i in sample)

    def _open_log(self) -> Log:
        if not self.world.main:
            return QuietLog()
        return RunLog(self.config, self.position, self.world.size)

    def _steps(self) -> Iterator[StepResult]:
        """Do the steps that are left. After a rewind the rows go on where they are."""
        rows, world = self.config.plan.micro_rows, self.world
        first = self.position.rows + world.rank * rows
        workers = self.config.loader_workers
        batches = self.loader.batches(first, rows, step=world.size * rows, workers=workers)
        while self.position.step < self.config.plan.steps:
            yield self.step(batches)

    def _after_step(self, log: Log, result: StepResult) -> None:
        """Log what a step did, and save, validate or rewind when it is time to."""
        config, position = self.config, self.position
        step, last = position.step, position.step == config.plan.steps
        if result.applied:
            log.step(position, result, schedule(step - 1, config.plan))
        else:
            log.skipped(position, result, position.health.limit(config.recovery))
        self._writer.check()
        if position.health.bad >= config.recovery.bad_steps:
            self.rewind(log)
            return
        if step % config.valid_every == 0 or last:
            log.valid(position, self.validate(), self.bytes_per_token())
        if self._watch.due(step):
            weights = self.replica.weights()
            if isinstance(log, RunLog):
                self._watch.look(weights, position, log)
        # Never while steps are bad: the weights may be what is bad.
        due = step // config.save_every > self._saved // config.save_every
        if (due and not position.health.bad) or last:
            self._start_save()

    def _start_save(self) -> Path:
        """Have a checkpoint for the present step written, and return its folder."""
        config, position, run = self.config, self.position, self._description()
        self._writer.wait()
        self._saved = position.step
        folder = config.output / f"step-{position.step:06d}"
        weights, state = self.replica.weights(), self.replica.state()
        if not self.world.main:
            return folder
        if config.async_checkpoints:
            weights, state = copied(weights, torch.bfloat16), copied(state)

        def write() -> None:
            checkpoint.save_run(
                folder,
                weights=weights,
                state=state,
                config=config.model,
                tokenizer=self.tokenizer,
                position=position,
                run=run,
            )
            checkpoint.prune(folder, config.keep_checkpoints)

        self._writer.start(write)
        if not config.async_checkpoints:
            self._writer.wait()
        return folder

    def _stop(self, log: Log, signal: str) -> None:
        """Save because of a signal, if the run is not at its end."""
        if self.position.step == self.config.plan.steps:
            return
        if self.position.step != self._saved:
            self._start_save()
        self._writer.wait()
        log.event(self.position, "stopped", signal=signal)
        log.note(f"{signal}: stopped at step {self.position.step}, saved; go on with --resume")

    def _description(self) -> dict[str, object]:
        vocabulary = (self.config.dataset / TOKENIZER).read_bytes()
        name = f"{self.config.output.name}-{self.position.step}"
        return {
            "run_id": name,
            "dataset_id": _dataset_id(self.config.dataset),
            "tokenizer_id": hashlib.sha256(vocabulary).hexdigest()[:16],
            "tokens": self.position.tokens,
            "parameters": self.config.model.parameters,
            "seed": self.config.seed,
            "model": asdict(self.config.model),
            "plan": asdict(self.config.plan),
            "loader": self._loader_description(),
            "optimiser": asdict(self.config.optimiser),
            **self._started_from,
        }

    def _loader_description(self) -> dict[str, object]:
        """Return the loader's options, each dataset of the mixture by what is in it."""
        description = asdict(self.config.loader)
        del description["mixture"]
        if mixture := self.config.loader.mixture:
            description["mixture"] = [
                {
                    "set": entry.set,
                    "weight": entry.weight,
                    "dataset_id": _dataset_id(entry.dataset or self.config.dataset),
                }
                for entry in mixture
            ]
        return description


def _dataset_id(directory: Path) -> str:
    return hashlib.sha256((directory / MANIFEST).read_bytes()).hexdigest()[:16]
