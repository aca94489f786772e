"""From what a user writes to a model that answers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from m31r_core.bundle import find_bundle, load_bundle
from m31r_core.errors import ConfigError, M31RError
from m31r_eval.models.base import Model
from m31r_eval.models.bundled import BundleModel
from m31r_eval.models.counted import Ngram
from m31r_eval.models.plain import Copy, Empty, Reference
from m31r_eval.settings import NgramSettings

Kind = Literal["bundle", "gguf", "hf", "ngram", "copy", "reference", "empty"]

_WITHOUT_PATH = ("copy", "reference", "empty")
_HASHED = 1 << 20


@dataclass(frozen=True)
class ModelSpec:
    """A kind of model and where it lies; it can be sent to another process."""

    kind: Kind
    path: Path = Path()


def parse_model(text: str | None) -> ModelSpec:
    """Return what `text` means; None is the bundle that ships.

    Raises ConfigError for a kind that there is not, M31RError where there is no bundle at all.
    """
    if text is None:
        return ModelSpec("bundle", find_bundle())
    kind, colon, path = text.partition(":")
    if text in _WITHOUT_PATH:
        return ModelSpec(kind)  # type: ignore[arg-type]
    if colon and kind in get_args(Kind) and kind not in (*_WITHOUT_PATH, "bundle"):
        return ModelSpec(kind, Path(path))  # type: ignore[arg-type]
    if colon and kind.isalpha() and len(kind) > 1 and not Path(text).exists():
        known = "a folder, gguf:FILE, hf:DIR, ngram:FILE, copy, reference, empty"
        raise ConfigError(f"--model {text}: no such kind of model; there are {known}")
    return ModelSpec("bundle", find_bundle(explicit=Path(text)))


def open_model(spec: ModelSpec, *, threads: int | None, ngram: NgramSettings) -> Model:
    """Load the model. Raises M31RError naming the file or the package that is missing."""
    if spec.kind == "bundle":
        return BundleModel(spec.path, threads=threads)
    if spec.kind == "ngram":
        return Ngram(spec.path, ngram)
    if spec.kind == "gguf":
        from m31r_eval.models.llama import LlamaModel

        return LlamaModel(spec.path, threads=threads)
    if spec.kind == "hf":
        from m31r_eval.models.hugging_face import HuggingFaceModel

        return HuggingFaceModel(spec.path, threads=threads)
    if spec.kind == "copy":
        return Copy()
    return Reference() if spec.kind == "reference" else Empty()


def identify(spec: ModelSpec) -> tuple[str, str]:
    """Return what the model is called, and a digest that changes when it does.

    Nothing is loaded. Raises M31RError naming what is missing.
    """
    if spec.kind in _WITHOUT_PATH:
        return spec.kind, spec.kind
    if spec.kind == "bundle":
        manifest = load_bundle(spec.path).manifest
        return manifest.model_id, _digest(repr(manifest).encode())
    if spec.kind == "hf":
        config = spec.path / "config.json"
        if not config.is_file():
            raise M31RError(f"{config}: no such file; hf: wants a Hugging Face folder")
        weights = sorted(spec.path.glob("*.safetensors"))
        sizes = [(file.name, file.stat().st_size) for file in weights]
        return f"hf:{spec.path.resolve().name}", _digest(config.read_bytes(), repr(sizes).encode())
    try:
        with spec.path.open("rb") as file:
            head = file.read(_HASHED)
        size = spec.path.stat().st_size
    except OSError as error:
        raise M31RError(f"{spec.path}: {error.strerror}") from error
    name = "ngram" if spec.kind == "ngram" else f"gguf:{spec.path.stem}"
    return name, _digest(head, str(size).encode())


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
