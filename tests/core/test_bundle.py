"""A bundle is found in a fixed order, and refused with the name of the file that is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from m31r_core import bundle as bundles
from m31r_core.bundle import BundleError, find_bundle, load_bundle, write_bundle
from m31r_core.errors import ConfigError

FILES = ["model.onnx", "tokenizer.json", "MODEL_CARD.md"]


@pytest.fixture
def bundle(random_bundle: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(random_bundle, tmp_path / "bundle")


def refusal(path: Path) -> str:
    with pytest.raises(BundleError) as error:
        load_bundle(path)
    message = str(error.value)
    assert "\n" not in message
    return message


def edit_manifest(path: Path, **changes: object) -> None:
    file = path / "m31r.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_whole_bundle_loads(bundle: Path) -> None:
    manifest = load_bundle(bundle).manifest
    assert sorted(manifest.files) == sorted(FILES)
    assert sorted(file.name for file in bundle.iterdir()) == sorted([*FILES, "m31r.json"])
    assert manifest.architecture.layers == 2
    assert manifest.special_tokens[0] == "<|end|>"


@pytest.mark.parametrize("name", [*FILES, "m31r.json"])
def test_missing_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    assert refusal(bundle) == f"{bundle / name}: No such file or directory"


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_noticed(bundle: Path, name: str) -> None:
    data = bytearray((bundle / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / name).write_bytes(data)
    message = refusal(bundle)
    assert message.startswith(f"{bundle / name}: checksum differs")


@pytest.mark.parametrize("name", FILES)
def test_truncated_file_is_noticed(bundle: Path, name: str) -> None:
    (bundle / name).write_bytes((bundle / name).read_bytes()[:-1])
    assert str(bundle / name) in refusal(bundle)


def test_missing_folder(tmp_path: Path) -> None:
    assert str(tmp_path / "none" / "m31r.json") in refusal(tmp_path / "none")


def test_broken_manifest(bundle: Path) -> None:
    (bundle / "m31r.json").write_text("{")
    assert refusal(bundle).startswith(f"{bundle / 'm31r.json'}: not JSON")
    (bundle / "m31r.json").write_bytes(b"\xff\xfe")
    assert refusal(bundle).startswith(f"{bundle / 'm31r.json'}: not JSON")
    (bundle / "m31r.json").write_text("[]")
    assert refusal(bundle) == f"{bundle / 'm31r.json'}: must hold an object"


def test_manifest_of_another_version(bundle: Path) -> None:
    edit_manifest(bundle, format_version=99)
    said = f"{bundle / 'm31r.json'}: format 99 is not supported, only 2; "
    assert refusal(bundle) == said + "export the checkpoint again"


def test_manifest_with_a_wrong_key(bundle: Path) -> None:
    edit_manifest(bundle, quants="int8")
    message = refusal(bundle)
    assert message.startswith(f"{bundle / 'm31r.json'}: unknown key 'quants'")
    assert "'quant'" in message


def test_manifest_that_points_outside(bundle: Path) -> None:
    edit_manifest(bundle, files={"../secret": "00"})
    assert refusal(bundle) == f"{bundle / 'm31r.json'}: '../secret' is not a plain file name"


def test_manifest_without_a_checksum(bundle: Path) -> None:
    edit_manifest(bundle, files={})
    assert refusal(bundle) == f"{bundle / 'm31r.json'}: lists no checksum for model.onnx"


def test_order_of_places(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    explicit, variable, settings = (
        tmp_path / name for name in ("explicit", "variable", "settings")
    )
    workspace = tmp_path / "workspace"
    for place in (explicit, variable, settings, workspace / "ours"):
        shutil.copytree(bundle, place)
    (workspace / "m31r.toml").write_text('[model]\npath = "ours"\n')
    monkeypatch.setenv("M31R_MODEL", str(variable))
    everything = {"explicit": explicit, "workspace": workspace, "settings": settings}
    assert find_bundle(**everything) == explicit
    del everything["explicit"]
    assert find_bundle(**everything) == variable
    monkeypatch.delenv("M31R_MODEL")
    assert find_bundle(**everything) == workspace / "ours"
    del everything["workspace"]
    assert find_bundle(**everything) == settings
    monkeypatch.setattr(bundles, "_PACKAGE", tmp_path / "checkout" / "core" / "m31r_core")
    with pytest.raises(BundleError, match="ships no model"):
        find_bundle()
    in_repository = shutil.copytree(bundle, tmp_path / "checkout" / "models" / "nano")
    assert find_bundle() == in_repository
    in_wheel = shutil.copytree(
        bundle, tmp_path / "checkout" / "core" / "m31r_core" / "_models" / "nano"
    )
    assert find_bundle() == in_wheel


def test_a_wrong_choice_is_not_passed_over(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M31R_MODEL", str(tmp_path / "none"))
    with pytest.raises(BundleError, match=r"none/m31r\.json.*M31R_MODEL"):
        find_bundle(settings=bundle)


@pytest.mark.parametrize("text", ["[model]\npth = 'x'\n", "[model]\npath = 3\n", "[model\n"])
def test_wrong_workspace_file_is_named(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("M31R_MODEL", raising=False)
    (tmp_path / "m31r.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"m31r\.toml"):
        find_bundle(workspace=tmp_path)


def test_workspace_file_without_a_model(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("M31R_MODEL", raising=False)
    (tmp_path / "m31r.toml").write_text("[completion]\nenabled = true\n")
    assert find_bundle(workspace=tmp_path, settings=bundle) == bundle


def test_failed_write_leaves_the_old_bundle(bundle: Path, tmp_path: Path) -> None:
    old = load_bundle(bundle)
    with pytest.raises(BundleError, match="missing"):
        write_bundle(bundle, old.manifest, {"model.onnx": b"new", "x": tmp_path / "missing"})
    assert load_bundle(bundle) == old
    assert list(tmp_path.iterdir()) == [bundle]


def test_write_replaces_a_bundle_but_nothing_else(bundle: Path, tmp_path: Path) -> None:
    manifest = load_bundle(bundle).manifest
    written = write_bundle(bundle, manifest, dict.fromkeys(FILES, b"new"))
    assert load_bundle(bundle) == written
    assert list(tmp_path.iterdir()) == [bundle]
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "important.txt").write_text("keep")
    with pytest.raises(BundleError, match="not a bundle"):
        write_bundle(tmp_path / "notes", manifest, {})
    assert (tmp_path / "notes" / "important.txt").read_text() == "keep"
