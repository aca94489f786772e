"""Checkpoint to bundle."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from m31r_core.bundle import (
    GGUF,
    MODEL_CARD,
    TOKENIZER,
    Architecture,
    Bundle,
    Manifest,
    Quant,
    write_bundle,
)
from m31r_core.config import from_mapping
from m31r_core.errors import M31RError
from m31r_core.model import HEAD_DIM, ModelConfig, load_checkpoint
from m31r_core.prompt import LAYOUT
from m31r_core.tokenizer import SPECIALS, Tokenizer
from m31r_export.graph import build_graph

RUN_FILE = "m31r_run.json"


@dataclass(frozen=True)
class RunInfo:
    """What `m31r_run.json` in a checkpoint folder tells about where the weights come from."""

    model_id: str = ""
    run_id: str = ""
    dataset_id: str = ""
    tokenizer_id: str = ""


def export_checkpoint(
    checkpoint: Path,
    out: Path,
    *,
    quant: Quant = "int8",
    block: int | None = None,
    gguf: bool = False,
    model_id: str | None = None,
    card: str | Path | None = None,
    licence: str = "MIT OR Apache-2.0",
) -> Bundle:
    """Write the bundle `out` from the Hugging Face folder `checkpoint`.

    `card` is the text of MODEL_CARD.md or the file that holds it; without it, the checkpoint's
    own MODEL_CARD.md or a plain table of facts. `block` is how many weights share a scale, where
    they are quantised (`quantise.BLOCKS`; default: what suits `quant`). With `gguf` the bundle also
    holds the model for llama.cpp. `model_id` defaults to the
    run's, then to the name of `out`. Raises M31RError naming the file that is missing or does not
    fit.
    """
    decoder, config = load_checkpoint(checkpoint)
    weights = {name: value.numpy() for name, value in decoder.state_dict().items()}
    tokenizer_file = checkpoint / TOKENIZER
    if Tokenizer.load(tokenizer_file).vocab_size != config.vocab_size:
        raise M31RError(f"{tokenizer_file}: not of the {config.vocab_size} tokens in config.json")
    run = _run_info(checkpoint / RUN_FILE)
    manifest = Manifest(
        model_id=model_id or run.model_id or out.name,
        architecture=Architecture(
            kind="qwen3",
            layers=config.layers,
            hidden_size=config.hidden_size,
            heads=config.heads,
            kv_heads=config.kv_heads,
            head_dim=HEAD_DIM,
            intermediate_size=config.intermediate_size,
        ),
        context_length=config.context_length,
        vocab_size=config.vocab_size,
        special_tokens=SPECIALS,
        prompt_layout=LAYOUT,
        quant=quant,
        licence=licence,
        dataset_id=run.dataset_id,
        tokenizer_id=run.tokenizer_id or _short_hash(tokenizer_file),
        run_id=run.run_id,
    )
    graph = build_graph(weights, config, quant, block)
    text = _card(card, checkpoint / MODEL_CARD) or _plain_card(manifest, config)
    files = graph.files()
    if gguf:
        # Not in every installation that exports.
        from m31r_export.gguf_file import write_gguf

        files[GGUF] = lambda path: write_gguf(
            path, weights, config, tokenizer_file, name=manifest.model_id, quant=quant
        )
    files |= {TOKENIZER: tokenizer_file, MODEL_CARD: text.encode("utf-8")}
    return write_bundle(out, manifest, files)


def _run_info(path: Path) -> RunInfo:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return RunInfo()
    except (OSError, ValueError) as error:
        raise M31RError(f"{path}: cannot read it ({error})") from error
    known = {key: data[key] for key in RunInfo.__dataclass_fields__ if key in data}
    return from_mapping(known, RunInfo, str(path))


def _card(card: str | Path | None, own: Path) -> str:
    if isinstance(card, str):
        return card
    path = card or own
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if card is None:
            return ""
        raise M31RError(f"{path}: no such file") from error


def _plain_card(manifest: Manifest, config: ModelConfig) -> str:
    facts = {
        "Parameters": f"{config.parameters:,}",
        "Weights": manifest.quant,
        "Context": f"{manifest.context_length} tokens",
        "Vocabulary": f"{manifest.vocab_size} tokens",
        "Licence": manifest.licence,
        "Training run": manifest.run_id or "not recorded",
        "Data": manifest.dataset_id or "not recorded",
    }
    rows = "".join(f"| {name} | {value} |\n" for name, value in facts.items())
    return f"# {manifest.model_id}\n\nCompletes Rust.\n\n| | |\n|---|---|\n{rows}"


def _short_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
