"""`m31r-train run`: the training loop."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

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
from m31r_train.replica import Replica, StepResult
from m31r_train.report import RunLog
from m31r_train.rows import Batch

_VALID_SEED = 1
# The loader of run 1: its losses compare with those of all runs since.
_VALID_LAYOUT = LoaderConfig(
    fim_share=0.65, psm_share=0.1, line_share=0.6, node_share=0.25, min_example=160
)


def run_training(path: Path, overrides: Sequence[str], *, resume: bool) -> int:
    """Train what the configuration at `path` describes; the exit code is 0."""
    config = load_toml(path, TrainConfig, overrides)
    if resume and not checkpoint.checkpoints(config.output):
        raise ConfigError(f"{config.output}: nothing to resume; start without --resume")
    if not resume and checkpoint.checkpoints(config.output):
        raise ConfigError(f"{config.output}: holds a run; add --resume or choose another output")
    config.output.mkdir(parents=True, exist_ok=True)
    checkpoint.remove_partial(config.output)
    shutil.copyfile(path, config.output / "config.toml")
    Trainer(config).train(resume=resume)
    return 0


class Trainer:
    """A run in memory: model, optimiser and data, all as the configuration says."""

    def __init__(self, config: TrainConfig) -> None:
        """Load data and model. Raises M31RError or ConfigError naming what does not fit."""
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config = config
        self.tokenizer = Tokenizer.load(config.dataset / TOKENIZER)
        if self.tokenizer.vocab_size != config.model.vocab_size:
            raise ConfigError(
                f"'model.vocab_size' is {config.model.vocab_size}, but the tokenizer of "
                f"{config.dataset} has {self.tokenizer.vocab_size} tokens"
            )
        self.loader = open_rows(config.dataset, "train", self.tokenizer, config.loader, config.seed)
        self.replica = Replica(config)
        self.position = Position(0, 0, 0)
        self.notes: list[str] = []

    def train(self, *, resume: bool = False) -> None:
        """Run to the plan's last step, logging, validating and saving on the way."""
        config = self.config
        if resume:
            self.resume()
        log = RunLog(config, self.position)
        try:
            for note in (*self.notes, *self.loader.notes):
                log.note(note)
            for result in log.timed(self._steps()):
                step = self.position.step
                log.step(self.position, result, schedule(step - 1, config.plan))
                if step % config.valid_every == 0 or step == config.plan.steps:
                    log.valid(self.position, self.validate(), self.bytes_per_token())
                if step % config.save_every == 0 or step == config.plan.steps:
                    self.save()
        finally:
            log.close()

    def resume(self) -> None:
        """Take the newest whole checkpoint of the run's folder; a damaged one is noted."""
        output = self.config.output
        _, state, self.position = checkpoint.load_newest(output, self.notes.append)
        self.replica.load_state(state)

    def save(self) -> Path:
        """Write a checkpoint for the present step and return its folder."""
        folder = self.config.output / f"step-{self.position.step:06d}"
        checkpoint.save_run(
            folder,
            weights=self.replica.weights(),
            state=self.replica.state(),
            config=self.config.model,
            tokenizer=self.tokenizer,
            position=self.position,
            run=self._description(),
        )
        checkpoint.prune(folder, self.config.keep_checkpoints)
        return folder

    def step(self, batches: Iterator[Batch]) -> StepResult:
        """Do one optimiser step on as many micro-batches as the plan's batch holds."""
        plan = self.config.plan
        row_tokens = plan.micro_rows * self.config.loader.sequence
        micro = [next(batches) for _ in range(plan.batch_tokens // row_tokens)]
        result = self.replica.step(micro, schedule(self.position.step, plan))
        if not result.applied:
            raise M31RError(f"step {self.position.step}: the loss is not finite; lower the rates")
        self.position = Position(
            self.position.step + 1,
            self.position.rows + plan.batch_tokens // self.config.loader.sequence,
            self.position.tokens + result.tokens,
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

    def _steps(self) -> Iterator[StepResult]:
        batches = self.loader.batches(self.position.rows, self.config.plan.micro_rows)
        while self.position.step < self.config.plan.steps:
            yield self.step(batches)

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
