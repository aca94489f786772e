"""Two processes under torchrun do what one does alone, whether they hold all weights or parts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.utils._python_dispatch import TorchDispatchMode

from m31r_core.model import ModelConfig
from m31r_core.shards import TokenDataset
from m31r_core.tokenizer import Tokenizer
from m31r_train.cli import main
from m31r_train.config import LoaderConfig, TrainConfig
from m31r_train.loader import RowLoader
from m31r_train.replica import Replica
from m31r_train.rows import Batch
from tests.train.conftest import SEQUENCE

STEPS = 6
# A batch is 4 rows: 2 micro-batches on each of two processes, 4 on one.
CONFIG = f"""
dataset = "DATASET"
output = "OUTPUT"
compile = false
threads = 1
log_every = 1
valid_every = 3
valid_rows = 3
save_every = 3
keep_checkpoints = 4

[model]
vocab_size = 320
hidden_size = 64
layers = 2
heads = 2
kv_heads = 1
intermediate_size = 96
context_length = {SEQUENCE}

[plan]
steps = {STEPS}
batch_tokens = {4 * SEQUENCE}
micro_rows = 1
warmup_steps = 2
decay_steps = 2

[loader]
sequence = {SEQUENCE}
min_example = 48

[watch]
peak = false
samples_every = 0
tasks_every = 0
"""
# Where a process has a single micro-batch, sums are the same to the last bit in float32, too.
FLOAT32 = ("--set", "dtype=float32", "--set", "plan.micro_rows=2")
# PyTorch's Muon orthogonalises in bfloat16, which makes a last bit a third digit.
ADAMW = (*FLOAT32, "--set", "optimiser.matrices=adamw")
FSDP = ("--set", "parallel=fsdp")

# Found: 0 with DDP and 5e-7 nats with FSDP2 in float32, 2e-4 in bfloat16.
CURVE = {"bfloat16": 5e-4, "float32": 1e-5, "adamw": 1e-5}
WEIGHTS = {"bfloat16": 5e-3, "float32": 1e-4, "adamw": 1e-4}


def command(folder: Path, name: str, *more: str) -> list[str]:
    return ["run", str(folder / "config.toml"), "--set", f"output={folder / name}", *more]


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    line = [*start, "-m", "m31r_train.cli", *arguments]
    return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=300)


def from_step_3(folder: Path, name: str, other: str) -> None:
    """Make the run `other` of the first half of the run `name`."""
    shutil.copytree(folder / name / "step-000003", folder / other / "step-000003")


@pytest.fixture(scope="module")
def runs(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with runs of one process (`one-`) and of two (`ddp-`, `fsdp-`)."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "config.toml").write_text(CONFIG.replace("DATASET", str(dataset)))
    assert main(command(folder, "one-bfloat16")) == 0
    assert main(command(folder, "one-float32", *FLOAT32)) == 0
    assert main(command(folder, "one-adamw", *ADAMW)) == 0
    from_step_3(folder, "one-bfloat16", "fsdp-resumed")
    for line in (
        command(folder, "ddp-bfloat16"),
        command(folder, "ddp-float32", *FLOAT32),
        command(folder, "fsdp-bfloat16", *FSDP, "--set", "loader_workers=1"),
        command(folder, "fsdp-adamw", *FSDP, *ADAMW, "--set", "activation_checkpointing=true"),
        command(folder, "fsdp-resumed", *FSDP, "--resume"),
    ):
        ended = torchrun(*line)
        assert ended.returncode == 0, ended.stderr
    from_step_3(folder, "fsdp-bfloat16", "one-resumed")
    assert main(command(folder, "one-resumed", "--resume")) == 0
    return folder


def logged(run: Path, name: str) -> list[float]:
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [row[name] for row in rows if name in row]


def state(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / f"step-{STEPS:06d}" / "trainer.safetensors")


@pytest.mark.parametrize(
    ("parallel", "how"),
    [("ddp", "float32"), ("ddp", "bfloat16"), ("fsdp", "adamw"), ("fsdp", "bfloat16")],
)
def test_two_processes_have_the_curve_and_the_weights_of_one(
    runs: Path, parallel: str, how: str
) -> None:
    one, two = runs / f"one-{how}", runs / f"{parallel}-{how}"
    for name in ("loss", "grad_norm", "valid_loss"):
        far = 3 * CURVE[how] if name == "grad_norm" else CURVE[how]
        assert logged(two, name) == pytest.approx(logged(one, name), abs=far), name
    assert len(logged(two, "loss")) == STEPS
    ours, expected = state(two), state(one)
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.allclose(ours[name], value, rtol=0, atol=WEIGHTS[how]), name
    positions = [json.loads((run / "step-000006/trainer.json").read_text()) for run in (one, two)]
    health = [position.pop("health") for position in positions]
    assert positions[0] == positions[1]
    assert health[0]["losses"] == pytest.approx(health[1]["losses"], abs=CURVE[how])


@pytest.mark.parametrize("resumed", ["one-resumed", "fsdp-resumed"])
def test_a_run_goes_on_with_another_number_of_processes(runs: Path, resumed: str) -> None:
    assert logged(runs / resumed, "loss") == pytest.approx(
        logged(runs / "one-bfloat16", "loss")[3:], abs=CURVE["bfloat16"]
    )
    expected = state(runs / "one-bfloat16")
    for name, value in state(runs / resumed).items():
        assert torch.allclose(value, expected[name], rtol=0, atol=WEIGHTS["bfloat16"]), name


def test_a_batch_that_two_cannot_share_is_refused_once(runs: Path) -> None:
    refused = command(runs, "refused", "--set", "plan.micro_rows=4")
    ended = torchrun(*refused)
    assert ended.returncode == 1
    ours = [line for line in ended.stderr.splitlines() if line.startswith("m31r-train:")]
    assert len(ours) == 1
    assert "'plan.batch_tokens' is 512; for 2 processes it must be a multiple of" in ours[0]
    assert "exitcode  : 2" in ended.stderr


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of the tensors that operations made and that are still there."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, torch.Tensor):
                self._count(value.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._seen:
            self._seen.add(key)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._free, key, size)

    def _free(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.now -= size


def test_activations_made_again_give_the_same_step_in_less_memory(
    train_config: TrainConfig,
) -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 320, (8, SEQUENCE))
    batch = Batch(ids, np.roll(ids, -1, 1), np.ones(ids.shape, dtype=np.float32))
    model = ModelConfig(320, 64, 8, 2, 1, 192, SEQUENCE)
    results, peaks, weights = [], [], []
    for on in (False, True):
        torch.manual_seed(0)
        config = replace(train_config, model=model, activation_checkpointing=on)
        replica = Replica(config)
        # The first step writes the layers' zeros over: without it, their gradients are zero.
        replica.step([batch], 1.0)
        with LiveBytes() as live:
            results.append(replica.step([batch], 1.0))
        peaks.append(live.peak)
        weights.append(replica.weights())
    assert results[0] == results[1]
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name
    assert peaks[1] < 0.4 * peaks[0], peaks


def test_processes_make_the_rows_that_a_thread_makes(dataset: Path) -> None:
    tokenizer = Tokenizer.load(dataset / "tokenizer.json")
    config = LoaderConfig(sequence=SEQUENCE, min_example=48)
    loader = RowLoader(TokenDataset.open(dataset, "train"), tokenizer, config, 0)
    generator = torch.random.get_rng_state()
    streams = [loader.batches(5, 2, step=6, workers=workers) for workers in (0, 1, 2)]
    for i in range(8):
        expected = loader.batch(5 + 6 * i, 2)
        for stream in streams:
            batch = next(stream)
            assert np.array_equal(batch.inputs, expected.inputs)
            assert np.array_equal(batch.targets, expected.targets)
            assert np.array_equal(batch.weights, expected.weights)
    for stream in streams:
        stream.close()
    assert torch.equal(generator, torch.random.get_rng_state())
