"""A run that is killed, stopped, fed noise or out of disk loses nothing that it had saved."""

from __future__ import annotations

import json
import math
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from m31r_core.config import load_toml
from m31r_core.shards import DocumentRecord, ShardWriter, write_manifest
from m31r_core.tokenizer import Tokenizer
from m31r_train.checkpoint import checkpoints, load_newest, load_run, save_run
from m31r_train.cli import main
from m31r_train.config import RecoveryConfig, TrainConfig
from m31r_train.pretrain import Trainer
from m31r_train.recovery import Health, cut_log
from tests.train.conftest import rust_file

BAD = ("skipped", "rewound")
RECOVERY = RecoveryConfig(spike_window=4, spike_deviations=3, spike_nats=0.3)

CONFIG = """
dataset = "{dataset}"
output = "{output}"
compile = false
threads = 1
log_every = 1
valid_every = 100
valid_rows = 2
save_every = 2
keep_checkpoints = 2

[model]
vocab_size = 320
hidden_size = 32
layers = 1
heads = 2
kv_heads = 1
intermediate_size = 64
context_length = 128

[plan]
steps = 24
batch_tokens = 256
micro_rows = 2
warmup_steps = 2

[loader]
sequence = 128
min_example = 48

[optimiser]
muon_rate = 0.05
adamw_rate = 0.05

[recovery]
spike_window = 4
spike_deviations = 3.0
spike_nats = 0.3
bad_steps = 1
rewinds = 20

[watch]
peak = false
report_every = 0
samples_every = 0
tasks_every = 0
"""


# What tells a spike


def test_a_spike_is_far_above_the_last_losses() -> None:
    health = Health()
    for loss in (9.0, 2.0, 2.2, 2.1, 1.9):
        assert health.limit(RECOVERY) == math.inf or loss == 1.9, "too few are known"
        health = health.after(loss, RECOVERY, applied=True)
    assert health.losses == (2.0, 2.2, 2.1, 1.9)
    assert health.limit(RECOVERY) == pytest.approx(2.05 + 3 * 0.1290994)


def test_losses_that_hardly_differ_make_no_spikes() -> None:
    health = Health(losses=(2.0, 2.0, 2.0, 2.0))
    assert health.limit(RECOVERY) == pytest.approx(2.3)
    assert health.limit(replace(RECOVERY, spike_window=0)) == math.inf


def test_bad_steps_are_counted_and_their_losses_forgotten() -> None:
    health = Health(losses=(2.0, 2.0))
    for loss in (math.nan, math.inf, 9.0):
        health = health.after(loss, RECOVERY, applied=False)
    assert health == Health(losses=(2.0, 2.0), bad=3)
    assert health.after(1.9, RECOVERY, applied=True) == Health(losses=(2.0, 2.0, 1.9))
    assert health.rewound(2) == Health(losses=(2.0, 2.0), rewinds=2)


# The log


def test_the_log_keeps_what_was_before(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    rows: list[dict[str, object]] = [
        {"step": 1, "loss": 3.0},
        {"step": 2, "event": "skipped"},
        {"step": 1, "event": "rewound", "rewinds": 1},
        {"step": 2, "loss": 2.0},
        {"step": 3, "event": "skipped", "rewinds": 1},
        {"step": 2, "event": "rewound", "rewinds": 2},
    ]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 1, "lo')
    for step, rewinds, kept in ((2, 2, rows), (2, 1, rows[:4]), (1, 0, rows[:1]), (0, 0, [])):
        cut_log(log, step, rewinds)
        assert [json.loads(line) for line in log.read_text().splitlines()] == kept
    cut_log(tmp_path / "none.jsonl", 0, 0)


# Runs, as processes


@pytest.fixture(scope="module")
def noisy(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of which a few files are noise: their rows are spikes of the loss."""
    directory = tmp_path_factory.mktemp("noisy")
    shutil.copytree(dataset, directory, dirs_exist_ok=True)
    tokenizer, rng = Tokenizer.load(dataset / "tokenizer.json"), random.Random(0)
    noise = ["".join(rng.choices("αβγδεζηθικλμνξοπ", k=450)) for _ in range(3)]
    splits = {}
    for split, files in (
        ("train", [*map(rust_file, range(40)), *noise]),
        ("valid", [*map(rust_file, range(40, 48))]),
    ):
        writer = ShardWriter(directory, split, shard_tokens=4_000)
        for i, text in enumerate(files):
            record = DocumentRecord(f"p{i}", "1.0.0", f"src/file{i}.rs", "MIT", "src", "0" * 64)
            writer.add(tokenizer.encode(text), record)
        splits[split] = writer.close()
    write_manifest(directory, splits, {})
    return directory


def configured(folder: Path, dataset: Path) -> Path:
    """Write the configuration of a run in `folder`, and return its path."""
    folder.mkdir(exist_ok=True)
    path = folder / "config.toml"
    path.write_text(CONFIG.format(dataset=dataset, output=folder / "run"))
    return path


@pytest.fixture(scope="module")
def undisturbed(noisy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing disturbed but the noise."""
    config = configured(tmp_path_factory.mktemp("undisturbed"), noisy)
    assert main(["run", str(config)]) == 0
    return config.parent / "run"


def started(config: Path, *more: str) -> subprocess.Popen[str]:
    """Start a run as a process of lower priority than the test that watches it."""
    command = ["nice", "-n", "5", sys.executable, "-m", "m31r_train.cli", "run", str(config), *more]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)


def until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for a condition, which a process is on its way to."""
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.0005)


def rows(output: Path) -> list[dict[str, object]]:
    lines = (output / "log.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def logged(output: Path) -> int:
    """Return the number of rows in the log of a run that may be writing it."""
    log = output / "log.jsonl"
    return log.read_bytes().count(b"\n") if log.exists() else 0


def writing(output: Path) -> bool:
    return any(output.glob("step-*.partial"))


def assert_same_end(output: Path, expected: Path) -> None:
    """Compare all files of the last checkpoints, by their hashes, and what the logs tell."""
    last, other = checkpoints(output)[-1], checkpoints(expected)[-1]
    assert last.name == other.name == "step-000024"
    assert (last / "checksums.json").read_text() == (other / "checksums.json").read_text()
    load_run(last)
    assert [row["step"] for row in rows(output) if "loss" in row] == list(range(1, 25))
    told = [
        [(row["step"], row["event"]) for row in rows(each) if row.get("event") in BAD]
        for each in (output, expected)
    ]
    assert told[0] == told[1]


def test_noise_makes_spikes_that_the_run_survives(undisturbed: Path) -> None:
    events = [row["event"] for row in rows(undisturbed) if row.get("event") in BAD]
    assert events.count("skipped") == events.count("rewound") > 0
    assert_same_end(undisturbed, undisturbed)
    position = load_run(checkpoints(undisturbed)[-1])[1]
    assert position.rows > 24 * 2, "those of the undone steps as well"
    assert position.health.rewinds == events.count("rewound")


def test_killed_at_any_moment_and_resumed_equals_never_killed(
    undisturbed: Path, noisy: Path, tmp_path: Path
) -> None:
    config, rng, output = configured(tmp_path, noisy), random.Random(4), tmp_path / "run"
    while_writing = 0
    for kill in range(4):
        process = started(config, *(["--resume"] if checkpoints(output) else []))
        done, target = len(checkpoints(output)), logged(output) + rng.randint(3, 8)
        if kill % 2:
            until(lambda target=target: logged(output) >= target, process)  # type: ignore[misc]
        else:  # the first may be there from before
            until(lambda: writing(output), process)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        while_writing += writing(output)
        assert done <= len(checkpoints(output)) <= 3
    assert while_writing
    assert main(["run", str(config), "--resume"]) == 0
    assert_same_end(output, undisturbed)
    assert not writing(output)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_leaves(
    number: signal.Signals, code: int, undisturbed: Path, noisy: Path, tmp_path: Path
) -> None:
    config, output = configured(tmp_path, noisy), tmp_path / "run"
    process = started(config)
    until(lambda: logged(output) >= 6, process)
    process.send_signal(number)
    out, error = process.communicate()
    assert process.returncode == code
    assert error == f"m31r-train: {number.name}: saving after this step; Ctrl-C ends it at once\n"
    event = rows(output)[-1]
    assert event["event"] == "stopped"
    stopped = event["step"]
    assert out.splitlines()[-1] == (
        f"{number.name}: stopped at step {stopped}, saved; go on with --resume"
    )
    assert checkpoints(output)[-1].name == f"step-{stopped:06d}"
    assert main(["run", str(config), "--resume"]) == 0
    assert_same_end(output, undisturbed)


def test_a_second_ctrl_c_does_not_wait_for_the_step(noisy: Path, tmp_path: Path) -> None:
    config, output = configured(tmp_path, noisy), tmp_path / "run"
    process = started(config, "--set", "plan.batch_tokens=25_600_000")  # a step of an hour
    until(lambda: logged(output) >= 1, process)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert "SIGINT: saving after this step" in process.stderr.readline()
    time.sleep(1.1)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130
    assert not checkpoints(output)


def test_a_full_disk_leaves_the_last_checkpoint_whole(noisy: Path, tmp_path: Path) -> None:
    """The run's folder is a file system of its own, with room for one checkpoint and a half."""
    config, disk = configured(tmp_path, noisy), tmp_path / "run"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=400k disk {disk}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("needs user namespaces, to mount a small file system")
    command = f"{mount} && $0 -m m31r_train.cli run {config}; code=$?; cp -r {disk} {tmp_path}/left"
    found = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f"{command}; exit $code", sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1
    assert found.stderr.count("\n") == 1
    assert "cannot write the checkpoint (" in found.stderr
    assert "No space left on device" in found.stderr
    left = tmp_path / "left"
    assert not writing(left)
    folder, _, position = load_newest(left, pytest.fail)
    assert position.step == 2
    assert folder.name in "step-000002"


# Weights that cannot be trained


def test_rates_that_diverge_end_in_one_clear_line(
    noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(tmp_path, noisy)
    rates = ["--set", "optimiser.muon_rate=1e30", "--set", "optimiser.adamw_rate=1e30"]
    assert main(["run", str(config), *rates, "--set", "recovery.bad_steps=3"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "3 bad steps in a row" in error
    assert "lower the rates in [optimiser]" in error


def test_a_checkpoint_with_bad_weights_is_left_for_the_one_before(
    noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The weights of a checkpoint are infinite: from there, no step can be a good one."""
    config, output = configured(tmp_path, noisy), tmp_path / "run"
    assert main(["run", str(config), "--set", "plan.steps=4"]) == 0
    last = checkpoints(output)[-1]
    state, position = load_run(last)
    name = next(name for name in state if name.endswith("norm.weight"))
    state[name].fill_(torch.inf)
    tokenizer = Tokenizer.load(noisy / "tokenizer.json")
    model = load_toml(config, TrainConfig).model
    save_run(
        last,
        weights={name: value for name, value in state.items() if value.ndim == 2},
        state=state,
        config=model,
        tokenizer=tokenizer,
        position=position,
        run={},
    )
    options = ["--resume", "--set", "recovery.bad_steps=2", "--set", "plan.steps=8"]
    assert main(["run", str(config), *options]) == 0
    said = capsys.readouterr().out
    assert "step 5: skipped; loss nan" in said
    assert "step 6: 2 bad steps in a row; back to step 4" in said
    assert "step 6: 2 bad steps in a row; back to step 2" in said
    state = load_newest(output, pytest.fail)[1]
    assert all(bool(value.isfinite().all()) for value in state.values())


def test_after_a_rewind_it_is_as_if_the_undone_rows_had_never_been(
    undisturbed: Path, noisy: Path, tmp_path: Path
) -> None:
    config = configured(tmp_path, noisy)
    rewind = next(row for row in rows(undisturbed) if row.get("event") == "rewound")
    assert main(["run", str(config), "--set", f"plan.steps={rewind['step']}"]) == 0
    trainer = Trainer(load_toml(config, TrainConfig))
    trainer.resume()
    here, undone = trainer.position, rewind["rows_skipped"]
    assert isinstance(undone, int)
    trainer.position = replace(here, rows=here.rows + undone, health=here.health.rewound(1))
    assert trainer.train()
    last, other = (checkpoints(each)[-1] for each in (tmp_path / "run", undisturbed))
    assert (last / "checksums.json").read_text() == (other / "checksums.json").read_text()
