"""A model bundle on disk: found, verified file by file, and loaded or refused.

A bundle is a folder of `m31r.json` (the manifest) and the files whose SHA-256 it lists.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from m31r_core.config import from_mapping
from m31r_core.errors import ConfigError, M31RError

MANIFEST = "m31r.json"
MODEL = "model.onnx"
MODEL_DATA = "model.onnx.data"
GGUF = "model.gguf"
TOKENIZER = "tokenizer.json"
MODEL_CARD = "MODEL_CARD.md"
CALIBRATION = "calibration.json"
# 2: the graph takes several sequences at once.
FORMAT_VERSION = 2

Quant = Literal["fp32", "int8", "int4"]

_REQUIRED = (MODEL, TOKENIZER, MODEL_CARD)
_SHIPPED = ("base", "nano")
_PACKAGE = Path(__file__).parent


class BundleError(M31RError):
    """A bundle that is not there, not whole or not ours. The message names the file."""


@dataclass(frozen=True)
class Architecture:
    """Sizes of the decoder in `model.onnx`."""

    kind: Literal["qwen3"]
    layers: int
    hidden_size: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate_size: int


@dataclass(frozen=True)
class Manifest:
    """What `m31r.json` says.

    `special_tokens` lists the names of ids 0, 1, …; `context_length` is in tokens; `files` gives
    the SHA-256, in hexadecimal, of every other file of the bundle.
    """

    model_id: str
    architecture: Architecture
    context_length: int
    vocab_size: int
    special_tokens: tuple[str, ...]
    prompt_layout: str
    quant: Quant
    licence: str
    dataset_id: str
    tokenizer_id: str
    run_id: str
    format_version: int = FORMAT_VERSION
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Bundle:
    """A bundle whose every file had the right checksum when it was loaded."""

    path: Path
    manifest: Manifest

    @property
    def model(self) -> Path:
        """The ONNX graph with its weights."""
        return self.path / MODEL

    @property
    def calibration(self) -> Path | None:
        """What the model's probabilities are worth, where the bundle says it."""
        return self.path / CALIBRATION if CALIBRATION in self.manifest.files else None

    @property
    def tokenizer(self) -> Path:
        """The vocabulary, in Hugging Face's format."""
        return self.path / TOKENIZER


def load_bundle(path: Path) -> Bundle:
    """Read the manifest and verify every file. Raises BundleError, one line naming the file."""
    manifest = _read_manifest(path / MANIFEST)
    for name in _REQUIRED:
        if name not in manifest.files:
            raise BundleError(f"{path / MANIFEST}: lists no checksum for {name}")
    for name, expected in manifest.files.items():
        if _sha256(path / name) != expected:
            raise BundleError(
                f"{path / name}: checksum differs from {MANIFEST}; the file is corrupt"
            )
    return Bundle(path, manifest)


def find_bundle(
    *,
    explicit: Path | None = None,
    workspace: Path | None = None,
    settings: Path | None = None,
) -> Path:
    """Return the folder of the bundle to use.

    The first that is given wins: `explicit` (--model), the variable M31R_MODEL, `path` in the
    table [model] of the workspace's `m31r.toml`, `settings` (the editor's), and then the bundle
    that ships. Raises BundleError when the one given holds no bundle, ConfigError for a wrong
    `m31r.toml`.
    """
    variable = os.environ.get("M31R_MODEL")
    given = [
        ("--model", explicit),
        ("M31R_MODEL", Path(variable) if variable else None),
        ("m31r.toml", _workspace_choice(workspace) if workspace else None),
        ("the editor's settings", settings),
    ]
    for source, path in given:
        if path is not None:
            folder = path.expanduser()
            if not (folder / MANIFEST).is_file():
                raise BundleError(f"{folder / MANIFEST}: no such file (model set by {source})")
            return folder
    return shipped_bundle()


def shipped_bundle() -> Path:
    """Return the folder of the bundle that comes with this installation, or raise BundleError."""
    roots = (_PACKAGE / "_models", _PACKAGE.parent.parent / "models")
    for root in roots:
        for name in _SHIPPED:
            if (root / name / MANIFEST).is_file():
                return root / name
    raise BundleError(
        f"{roots[0] / _SHIPPED[-1] / MANIFEST}: no such file; this installation ships no model, "
        "name one with --model or M31R_MODEL"
    )


def write_bundle(
    directory: Path,
    manifest: Manifest,
    files: Mapping[str, Path | bytes | Callable[[Path], None]],
) -> Bundle:
    """Write `directory` from `manifest` and `files`.

    A name stands for its content, the file to copy, or what writes the file at a path.

    The checksums are computed here. Everything is written beside `directory` and renamed, so that
    a bundle is there wholly or not at all; an older bundle of that name is replaced. Raises
    BundleError when `directory` is something else than a bundle or cannot be written.
    """
    if directory.exists() and not _replaceable(directory):
        raise BundleError(f"{directory}: exists and is not a bundle; choose another folder")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=directory.parent, prefix=f".{directory.name}-", ignore_cleanup_errors=True
        ) as parent:
            folder = Path(parent) / "new"
            folder.mkdir()
            for name, content in files.items():
                if isinstance(content, Path):
                    shutil.copyfile(content, folder / name)
                elif isinstance(content, bytes):
                    (folder / name).write_bytes(content)
                else:
                    content(folder / name)
            written = replace(
                manifest, files={name: _sha256(folder / name) for name in sorted(files)}
            )
            text = json.dumps(asdict(written), indent=2, ensure_ascii=False) + "\n"
            (folder / MANIFEST).write_text(text, encoding="utf-8")
            if directory.exists():
                directory.rename(Path(parent) / "old")
            folder.rename(directory)
    except OSError as error:
        raise BundleError(f"{error.filename or directory}: {error.strerror}") from error
    return Bundle(directory, written)


def _replaceable(directory: Path) -> bool:
    return directory.is_dir() and ((directory / MANIFEST).is_file() or not any(directory.iterdir()))


def _read_manifest(path: Path) -> Manifest:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise BundleError(f"{path}: not JSON ({error})") from error
    if not isinstance(data, dict):
        raise BundleError(f"{path}: must hold an object")
    version = data.get("format_version")
    if version != FORMAT_VERSION:
        raise BundleError(
            f"{path}: format {version!r} is not supported, only {FORMAT_VERSION}; "
            "export the checkpoint again"
        )
    files = data.pop("files", None)
    try:
        return replace(from_mapping(data, Manifest, str(path)), files=_checked(files, path))
    except ConfigError as error:
        raise BundleError(str(error)) from error


def _checked(files: Any, path: Path) -> dict[str, str]:
    if not isinstance(files, dict) or not all(isinstance(digest, str) for digest in files.values()):
        raise BundleError(f"{path}: 'files' must map names to checksums")
    for name in files:
        if Path(name).name != name:
            raise BundleError(f"{path}: '{name}' is not a plain file name")
    return files


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}") from error


@dataclass(frozen=True)
class _ModelTable:
    path: Path | None = None


def _workspace_choice(workspace: Path) -> Path | None:
    file = workspace / "m31r.toml"
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{file}: {error}") from error
    table = from_mapping(data.get("model", {}), _ModelTable, f"{file}: [model]")
    return workspace / table.path if table.path else None
