"""From sources to shards: nothing gets lost without a reason, and every token has an origin."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from m31r_core.errors import M31RError
from m31r_core.shards import TokenDataset, damaged_files, read_manifest
from m31r_core.tokenizer import Tokenizer
from m31r_data.build import build_dataset
from m31r_data.config import DataConfig, SourceConfig
from m31r_data.split import SPLITS, split_of
from m31r_train.cli import main
from tests.data.conftest import pack_line, rust_file


def test_every_token_leads_back_to_its_file(data_config: DataConfig, crates: Path) -> None:
    build_dataset(data_config)
    tokenizer = Tokenizer.load(data_config.output / "tokenizer.json")
    found = 0
    for split in SPLITS:
        dataset = TokenDataset.open(data_config.output, split)
        for i in range(len(dataset)):
            record = dataset.record(i)
            source = (crates / record.path).read_text()
            assert tokenizer.decode(dataset.document(i).tolist()) == source
            assert record.license == "MIT OR GPL-2.0-only"
            assert record.version == f"1.{record.package.removeprefix('crate-')}.0"
            assert split_of(record.package, data_config.splits) == split
            found += 1
    assert found == 40
    files, damage = damaged_files(data_config.output)
    assert files > 3
    assert damage == []


def test_what_stands_is_not_built_again(data_config: DataConfig) -> None:
    assert build_dataset(data_config)
    assert not build_dataset(data_config)
    (data_config.output / "train-0000-00000.index").unlink()
    assert build_dataset(data_config)
    assert damaged_files(data_config.output)[1] == []


def test_a_pack_is_read_like_a_folder_and_drops_are_written_down(
    data_config: DataConfig, tmp_path: Path
) -> None:
    lines = [
        pack_line(package="kept"),
        pack_line(package="copy", text=rust_file(0).replace("    ", "\t")),
        pack_line(license="GPL-3.0-only"),
        pack_line(license=None),
        pack_line(text="// @generated\n" + rust_file(1)),
        pack_line(kind="fixture"),
        pack_line(text="x"),
        pack_line(text="fn } { not rust at all ) (\n" * 20),
        pack_line(package=None, path="library/core/src/x.rs", text=rust_file(9)),
    ]
    pack = tmp_path / "pack.jsonl.zst"
    pack.write_bytes(zstandard.compress("".join(lines).encode()))
    build_dataset(replace(data_config, sources=(SourceConfig(pack),)))
    manifest = read_manifest(data_config.output)
    assert manifest["funnel"][0]["files"] == len(lines)
    assert {reason: each["files"] for reason, each in manifest["dropped"].items()} == {
        "duplicate": 1,
        "licence not permissive": 1,
        "licence unknown": 1,
        "generated": 1,
        "kind fixture": 1,
        "too small": 1,
        "syntax errors": 1,
    }
    dropped = (data_config.output / "dropped.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["reason"] for line in dropped) == sorted(manifest["dropped"])
    (copy,) = (row for row in map(json.loads, dropped) if row["reason"] == "duplicate")
    assert (copy["package"], copy["kept"]) == ("copy", "kept src/lib.rs")
    assert manifest["licences"] == {"MIT": 2}
    assert manifest["funnel"][-1]["files"] == 2


def test_no_trace_of_a_failed_build_where_the_dataset_goes(data_config: DataConfig) -> None:
    build_dataset(data_config)
    before = (data_config.output / "manifest.json").read_bytes()
    broken = data_config.output.with_name("broken.jsonl")
    broken.write_text(pack_line() + "{not json\n")
    with pytest.raises(M31RError, match=r"broken\.jsonl: line 2"):
        build_dataset(replace(data_config, sources=(SourceConfig(broken),)))
    assert (data_config.output / "manifest.json").read_bytes() == before


def test_a_truncated_shard_is_named(data_config: DataConfig) -> None:
    build_dataset(data_config)
    shard = data_config.output / "train-0000-00000.tokens"
    shard.write_bytes(shard.read_bytes()[:-2])
    with pytest.raises(M31RError, match=r"train-0000-00000\.tokens: truncated"):
        TokenDataset.open(data_config.output, "train")


def test_a_changed_shard_is_named(data_config: DataConfig) -> None:
    build_dataset(data_config)
    shard = data_config.output / "train-0000-00000.tokens"
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    _, damage = damaged_files(data_config.output)
    assert len(damage) == 1
    assert damage[0].endswith("train-0000-00000.tokens: checksum does not match")


def test_a_missing_source_is_one_line(data_config: DataConfig, tmp_path: Path) -> None:
    with pytest.raises(M31RError, match="no such file or folder"):
        build_dataset(replace(data_config, sources=(SourceConfig(tmp_path / "none"),)))


def test_the_commands_say_what_stands_there(
    data_config: DataConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build_dataset(data_config)
    directory = str(data_config.output)
    assert main(["data", "verify", directory]) == 0
    assert "files whole" in capsys.readouterr().out

    page = tmp_path / "page.html"
    assert main(["data", "stats", directory, "--html", str(page)]) == 0
    assert "near-duplicates" in capsys.readouterr().out
    assert "MIT OR GPL-2.0-only" in page.read_text()

    (data_config.output / "train-0001-00000.jsonl").write_text("{}")
    (data_config.output / "train-0000-00000.index").unlink()
    assert main(["data", "verify", directory]) == 1
    captured = capsys.readouterr()
    assert "train-0001-00000.jsonl: checksum does not match" in captured.out
    assert "train-0000-00000.index: No such file" in captured.out
    assert "2 of" in captured.err
