"""What a configuration costs, in bytes, tokens and floating-point operations, before it is run.

All is computed from the configuration, but for `measure`, which runs a few steps of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from m31r_core.errors import M31RError
from m31r_core.model import HEAD_DIM, ModelConfig
from m31r_core.shards import read_manifest
from m31r_train.config import TrainConfig
from m31r_train.loss import CHUNK

# Hoffmann et al. 2022, for prose; code wants more (Luo et al. 2025, arXiv 2510.08702).
TOKENS_PER_PARAMETER = 20
# Weights that share a scale in an int8 and an int4 bundle at most, and the bytes of the scale
# (m31r_export).
_BLOCKS = {"int8": 256, "int4": 32}
_SCALE = 4


@dataclass(frozen=True)
class Parameters:
    """Numbers of weights. The embedding is the output layer too; Muon trains `matrices`."""

    all: int
    embedding: int
    matrices: int
    norms: int

    @property
    def by_adamw(self) -> int:
        """Weights that AdamW trains."""
        return self.embedding + self.norms


@dataclass(frozen=True)
class Work:
    """Training in floating-point operations, and its tokens.

    `per_token` is a forward and a backward pass (`ModelConfig.flops_per_token`), without what
    activation checkpointing computes again; `muon_per_step` is Muon's iterations, which do not
    depend on the batch. `in_all` has both. `train_tokens` is the size of the train split, where the
    dataset is there.
    """

    per_token: float
    muon_per_step: float
    in_all: float
    tokens: int
    tokens_wanted: int
    train_tokens: int | None


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes that one process needs to train, PyTorch's own aside.

    `weights`, `gradients` and `moments` are float32 and last; under fsdp, `owned` are the whole
    matrices that this process steps on. `casts` are the weights in the dtype of the computation.
    `activations` (an estimate) and `loss` are those of one micro-batch.
    """

    weights: int
    gradients: int
    moments: int
    owned: int
    casts: int
    activations: int
    loss: int

    @property
    def total(self) -> int:
        """All of it: the peak, in the backward pass."""
        return sum(asdict(self).values())


@dataclass(frozen=True)
class InferenceMemory:
    """Bytes of weights in a bundle, and of the engine's float32 KV cache at full context."""

    int8: int
    int4: int
    cache: int


@dataclass(frozen=True)
class Rate:
    """Seconds of a micro-batch (forward and backward), and of the optimiser's update."""

    micro_batch: float
    update: float


def parameters(model: ModelConfig) -> Parameters:
    """Count the weights of a decoder."""
    embedding = model.vocab_size * model.hidden_size
    matrices = model.layers * sum(rows * columns for rows, columns in _matrices(model))
    return Parameters(
        model.parameters, embedding, matrices, model.parameters - embedding - matrices
    )


def work(config: TrainConfig) -> Work:
    """Return the floating-point operations and tokens of a run."""
    plan, model = config.plan, config.model
    per_token = model.flops_per_token(config.loader.sequence)
    iterations = config.optimiser.muon_iterations if config.optimiser.matrices == "muon" else 0
    muon = float(model.layers * iterations * sum(_newton_schulz(*s) for s in _matrices(model)))
    tokens = plan.steps * plan.batch_tokens
    return Work(
        per_token,
        muon,
        per_token * tokens + muon * plan.steps,
        tokens,
        TOKENS_PER_PARAMETER * model.parameters,
        _train_tokens(config.dataset),
    )


def training_memory(config: TrainConfig, processes: int = 1) -> TrainingMemory:
    """Return what one of `processes` needs.

    With fsdp, what lasts is shared out, and the embedding, two blocks at a time (the next is
    gathered ahead) and one block's float32 gradients are whole.
    """
    model, counts = config.model, parameters(config.model)
    shared = processes if config.parallel == "fsdp" else 1
    size = _item_size(config)
    owned = casts = 0
    if shared > 1:
        block = (counts.all - counts.embedding) // model.layers
        if config.optimiser.matrices == "muon":
            owned = 4 * counts.matrices // shared
        casts = size * (counts.embedding + 2 * block) + 4 * block
    elif size < 4:
        casts = size * counts.all
    return TrainingMemory(
        weights=4 * counts.all // shared,
        gradients=4 * counts.all // shared,
        moments=_moments(config) // shared,
        owned=owned,
        casts=casts,
        activations=_activations(config),
        loss=_loss(config),
    )


def state_bytes(config: TrainConfig) -> int:
    """Return the size of the tensors of a checkpoint's trainer state: weights and moments."""
    return 4 * parameters(config.model).all + _moments(config)


def inference_memory(model: ModelConfig) -> InferenceMemory:
    """Return what a bundle's weights and the engine's cache take."""
    counts = parameters(model)
    scaled = _SCALE * (counts.matrices + counts.embedding)
    rest = 4 * counts.norms + 4 * model.context_length * HEAD_DIM
    cache = 2 * model.layers * model.kv_heads * HEAD_DIM * model.context_length * 4
    return InferenceMemory(
        int8=counts.embedding + counts.matrices + scaled // _BLOCKS["int8"] + rest,
        int4=counts.embedding + counts.matrices // 2 + scaled // _BLOCKS["int4"] + rest,
        cache=cache,
    )


def seconds(config: TrainConfig, flops: float, processes: int = 1) -> float:
    """Return how long a run takes on `processes` devices that do `flops` useful ones a second."""
    return work(config).in_all / (flops * processes)


def measure(config: TrainConfig) -> Rate:
    """Time steps of one and of three micro-batches of random tokens, on the device it names."""
    # Only this needs PyTorch's compiler and optimisers.
    from m31r_train.replica import Replica
    from m31r_train.rows import Batch

    shape = (config.plan.micro_rows, config.loader.sequence)
    generator = np.random.default_rng(config.seed)
    ids = generator.integers(0, config.model.vocab_size, shape)
    batch = Batch(ids, np.roll(ids, -1, 1), np.ones(shape, np.float32))
    replica = Replica(config)
    replica.step([batch], 1.0)

    def timed(count: int) -> float:
        begin = time.perf_counter()
        # The step returns the loss as a number, so that a GPU has finished it.
        replica.step([batch] * count, 1.0)
        return time.perf_counter() - begin

    one, three = (min(timed(count) for _ in range(2)) for count in (1, 3))
    micro = (three - one) / 2
    return Rate(micro, max(one - micro, 0.0))


def measured_seconds(config: TrainConfig, rate: Rate) -> float:
    """Return how long the run takes on one such device, validation and saving aside."""
    rows = config.plan.batch_tokens // config.loader.sequence
    return config.plan.steps * (rows // config.plan.micro_rows * rate.micro_batch + rate.update)


def _matrices(model: ModelConfig) -> Iterator[tuple[int, int]]:
    """Yield the shapes of the matrices of a block."""
    hidden, wide = model.hidden_size, model.intermediate_size
    queries, keys = model.heads * HEAD_DIM, model.kv_heads * HEAD_DIM
    yield from ((queries, hidden), (keys, hidden), (keys, hidden), (hidden, queries))
    yield from ((wide, hidden), (wide, hidden), (hidden, wide))


def _newton_schulz(rows: int, columns: int) -> int:
    """Return the operations of an iteration: X Xt, its square, times X (Jordan et al. 2024)."""
    small, large = sorted((rows, columns))
    return 4 * small**2 * large + 2 * small**3


def _moments(config: TrainConfig) -> int:
    """Return the bytes of Muon's momentum, of AdamW's two moments and its count for each tensor."""
    counts, layers = parameters(config.model), config.model.layers
    if config.optimiser.matrices == "adamw":
        tensors = 2 + layers * (4 + len(list(_matrices(config.model))))
        return 8 * counts.all + 4 * tensors
    return 4 * counts.matrices + 8 * counts.by_adamw + 4 * (2 + 4 * layers)


def _activations(config: TrainConfig) -> int:
    """Estimate what the backward pass of a micro-batch needs.

    For each token and block: the inputs of the matrices and of attention (Korthikanti et al. 2022),
    keys and values repeated for each query; not compiled, also what norms and SiLU keep. With
    activation checkpointing, the inputs of all blocks and the rest of one.
    """
    model, size = config.model, _item_size(config)
    hidden, wide = model.hidden_size, model.intermediate_size
    queries, keys = model.heads * HEAD_DIM, model.kv_heads * HEAD_DIM
    block = size * (4 * hidden + 4 * queries + 3 * wide)
    if not config.compile:
        normed = 2 * hidden + queries + keys
        block += size * (wide + normed) + (4 * normed if size < 4 else 0)
    if config.activation_checkpointing:
        of_all = model.layers * size * hidden + block
    else:
        of_all = model.layers * block
    return config.plan.micro_rows * config.loader.sequence * of_all


def _loss(config: TrainConfig) -> int:
    """Return the bytes of a chunk's logits, and of the loss's gradients by hidden and embedding.

    Five copies of the logits, float32: they, their exponentials, which is the target, and slopes.
    """
    model = config.model
    chunk = min(CHUNK, config.plan.micro_rows * config.loader.sequence)
    hidden = config.plan.micro_rows * config.loader.sequence * model.hidden_size
    embedding = model.vocab_size * model.hidden_size
    return 5 * 4 * chunk * model.vocab_size + _item_size(config) * hidden + 2 * 4 * embedding


def _item_size(config: TrainConfig) -> int:
    return {"bfloat16": 2, "float32": 4}[config.dtype]


def _train_tokens(dataset: Path) -> int | None:
    try:
        shards = read_manifest(dataset)["splits"]["train"]
        return sum(int(shard["tokens"]) for shard in shards)
    except (M31RError, KeyError, TypeError):
        return None
