"""Checkpoints: whole or not there, and a damaged one is named and skipped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from m31r_core.errors import M31RError
from m31r_core.tokenizer import Tokenizer
from m31r_train.checkpoint import (
    Position,
    checkpoints,
    load_newest,
    load_run,
    prune,
    remove_partial,
    save_run,
)
from m31r_train.config import TrainConfig
from m31r_train.pretrain import Trainer

FILES = {
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "trainer.safetensors",
    "trainer.json",
    "m31r_run.json",
}


def write(output: Path, step: int, config: TrainConfig) -> Path:
    """Write a small checkpoint whose state is the number of its step."""
    folder = output / f"step-{step:06d}"
    save_run(
        folder,
        weights={"model.norm.weight": torch.ones(4)},
        state={"master.norm": torch.full((1000,), float(step))},
        config=config.model,
        tokenizer=Tokenizer.load(config.dataset / "tokenizer.json"),
        position=Position(step, 4 * step, 100 * step),
        run={},
    )
    return folder


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_what_was_written_is_read_again(train_config: TrainConfig, tmp_path: Path) -> None:
    folder = write(tmp_path, 7, train_config)
    state, position = load_run(folder)
    assert position == Position(7, 28, 700)
    assert torch.equal(state["master.norm"], torch.full((1000,), 7.0))
    checksums = json.loads((folder / "checksums.json").read_text())
    assert set(checksums) == FILES
    assert {path.name for path in folder.iterdir()} == FILES | {"checksums.json"}


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_flipped_bit_or_a_lost_file_is_named(
    train_config: TrainConfig, tmp_path: Path, name: str
) -> None:
    folder = write(tmp_path, 7, train_config)
    flip_a_bit(folder / name)
    with pytest.raises(M31RError, match=rf"step-000007: not a whole checkpoint \({name}: sha256"):
        load_run(folder)
    (folder / name).unlink()
    with pytest.raises(M31RError, match=rf"step-000007: .* \({name}: No such file"):
        load_run(folder)


def test_a_checkpoint_of_before_there_were_checksums_is_read(
    train_config: TrainConfig, tmp_path: Path
) -> None:
    folder = write(tmp_path, 7, train_config)
    (folder / "checksums.json").unlink()
    (folder / "trainer.json").write_text('{"step": 7, "rows": 28, "tokens": 700}\n')
    assert load_run(folder)[1] == Position(7, 28, 700)


def test_the_newest_whole_one_is_taken(train_config: TrainConfig, tmp_path: Path) -> None:
    folders = [write(tmp_path, step, train_config) for step in (1, 2, 3, 4)]
    flip_a_bit(folders[3] / "trainer.safetensors")
    (folders[2] / "checksums.json").write_text("{")
    said: list[str] = []
    folder, state, position = load_newest(tmp_path, said.append)
    assert folder == folders[1]
    assert position.step == 2
    assert state["master.norm"][0] == 2.0
    assert len(said) == 2
    assert said[0] == (
        f"skipped: {folders[3]}: not a whole checkpoint (trainer.safetensors: sha256 differs)"
    )
    assert said[1].startswith(f"skipped: {folders[2]}: not a whole checkpoint")


def test_with_none_whole_there_is_one_clear_error(
    train_config: TrainConfig, tmp_path: Path
) -> None:
    flip_a_bit(write(tmp_path, 1, train_config) / "model.safetensors")
    with pytest.raises(M31RError, match="no whole checkpoint; choose another output"):
        load_newest(tmp_path, lambda _: None)


def test_a_checkpoint_that_cannot_be_written_leaves_nothing_behind(
    train_config: TrainConfig, tmp_path: Path
) -> None:
    write(tmp_path, 1, train_config)
    (tmp_path / "step-000002.partial").write_text("a file where the folder should be")
    with pytest.raises(M31RError, match="step-000002: cannot write the checkpoint"):
        write(tmp_path, 2, train_config)
    assert checkpoints(tmp_path) == [tmp_path / "step-000001"]
    assert load_run(tmp_path / "step-000001")[1].step == 1


def test_what_a_killed_run_left_is_removed(train_config: TrainConfig, tmp_path: Path) -> None:
    whole = write(tmp_path, 1, train_config)
    unfinished = tmp_path / "step-000002.partial"
    unfinished.mkdir()
    (unfinished / "model.safetensors").write_bytes(b"\0" * 10)
    assert checkpoints(tmp_path) == [whole]
    remove_partial(tmp_path)
    assert list(tmp_path.iterdir()) == [whole]


def test_only_the_newest_are_kept(train_config: TrainConfig, tmp_path: Path) -> None:
    folders = [write(tmp_path, step, train_config) for step in (1, 2, 3, 10)]
    prune(folders[2], keep=2)
    assert checkpoints(tmp_path) == folders[1:], "a newer one is a damaged one: it is left alone"
    prune(folders[3], keep=2)
    assert checkpoints(tmp_path) == folders[2:]


def test_a_damaged_one_is_replaced_when_the_run_comes_there_again(
    train_config: TrainConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    train_config.output.mkdir()
    Trainer(train_config).train()
    middle, last = checkpoints(train_config.output)[-2:]
    expected = (last / "checksums.json").read_text()
    flip_a_bit(last / "trainer.safetensors")
    trainer = Trainer(replace(train_config))
    trainer.train(resume=True)
    assert f"skipped: {last}: not a whole checkpoint" in capsys.readouterr().out
    assert (last / "checksums.json").read_text() == expected
    assert load_run(middle)[1].step == 4
    assert load_run(last)[1].step == 8
