"""A bundle becomes a checkpoint again, without a further loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from m31r_core.bundle import Bundle, BundleError, load_bundle
from m31r_core.engine.graph import Graph
from m31r_core.engine.session import Session
from m31r_core.errors import ConfigError
from m31r_core.model import load_checkpoint
from m31r_export.checkpoint import export_checkpoint
from m31r_export.unpack import unpack_bundle


@pytest.mark.parametrize("quant", ["fp32", "int8", "int4"])
def test_unpacked_and_exported_again_the_graph_is_the_same(
    random_checkpoint: Path, tmp_path: Path, quant: str
) -> None:
    first = export_checkpoint(random_checkpoint, tmp_path / "first", quant=quant)  # type: ignore[arg-type]
    config = unpack_bundle(load_bundle(first.path), tmp_path / "unpacked")
    assert config == load_checkpoint(random_checkpoint)[1]
    again = export_checkpoint(tmp_path / "unpacked", tmp_path / "again", quant=quant)  # type: ignore[arg-type]
    assert again.model.read_bytes() == first.model.read_bytes()


def test_what_ships_computes_the_same_when_unpacked(bundle_path: Path, tmp_path: Path) -> None:
    bundle = load_bundle(bundle_path)
    unpack_bundle(bundle, tmp_path / "unpacked")
    ids = list(range(16, 144))
    computed = Session(Graph(bundle, 1)).forward(ids, range(len(ids)))
    with torch.inference_mode():
        decoder = load_checkpoint(tmp_path / "unpacked")[0]
        expected = decoder(torch.tensor([ids]))[0].float().numpy()
    # The bundle rounds what goes into its products to 8 bits, so the logits differ a little.
    assert np.sqrt(((computed - expected) ** 2).mean()) < 0.05 * expected.std()


def test_all_weights_of_fp32_come_back(random_checkpoint: Path, tmp_path: Path) -> None:
    bundle = export_checkpoint(random_checkpoint, tmp_path / "b", quant="fp32")
    unpack_bundle(load_bundle(bundle.path), tmp_path / "unpacked")
    before = load_checkpoint(random_checkpoint)[0].state_dict()
    after = load_checkpoint(tmp_path / "unpacked")[0].state_dict()
    assert before.keys() == after.keys()
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, rtol=0, atol=0)


def test_a_folder_that_holds_something_is_left_alone(random_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    with pytest.raises(ConfigError, match="choose another folder"):
        unpack_bundle(load_bundle(random_bundle), tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]


def test_a_graph_of_others_is_refused_by_name(random_bundle: Path, tmp_path: Path) -> None:
    broken = Bundle(tmp_path, load_bundle(random_bundle).manifest)
    broken.model.write_bytes(b"no graph")
    with pytest.raises(BundleError, match=r"model\.onnx: not a graph of m31r-train export"):
        unpack_bundle(broken, tmp_path / "out")
    assert not (tmp_path / "out").exists()
