"""What a reader must know of a model and its run: the card, and the loss curve as a picture."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from m31r_core.errors import M31RError
from m31r_core.shards import read_manifest
from m31r_train.checkpoint import tokens_seen
from m31r_train.page import LOG, read_history

_LICENCES_SHOWN = 30
_LOSSES = (("loss", "train"), ("valid_loss", "valid"))


def model_card(checkpoint: Path, dataset: Path, metrics: Path | None) -> str:
    """Return the text of MODEL_CARD.md for a checkpoint and the dataset it was trained on.

    `metrics` is the metrics.json of an evaluation. Raises M31RError naming a file that is
    missing or broken.
    """
    run = _read_json(checkpoint / "m31r_run.json")
    manifest = read_manifest(dataset)
    sections = [
        _introduction(run),
        _data(manifest),
        _results(_read_json(metrics)) if metrics else "",
        _LIMITS,
    ]
    return "\n".join(section for section in sections if section)


def plot_run(output: Path, picture: Path) -> None:
    """Draw the losses of a run's log.jsonl as a PNG: nats a token over millions of tokens.

    Where a loss was not finite, the curve has a gap; steps that the run gave up are left out.
    Raises M31RError naming the log when there is none, or no loss in it.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    history = read_history(output / LOG)
    curves = [(key, label) for key, label in _LOSSES if key in history.keys]
    if not curves:
        raise M31RError(f"{output / LOG}: no loss is logged yet")
    figure, axes = pyplot.subplots(figsize=(8, 4.5), dpi=110)
    for key, label in curves:
        rows = history.rows_with(key)
        values = [math.nan if (value := row.number(key)) is None else value for row in rows]
        tokens = [row.tokens / 1e6 for row in rows]
        axes.plot(tokens, values, label=label, linewidth=1 if key == "loss" else 2)
    axes.set(xlabel="tokens seen (millions)", ylabel="loss (nats a token)", title=output.name)
    axes.grid(alpha=0.3)
    axes.legend()
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, bbox_inches="tight", metadata={"Software": None})
    pyplot.close(figure)


def _introduction(run: dict[str, Any]) -> str:
    model, plan, tokens = run["model"], run["plan"], tokens_seen(run)
    earlier = run.get("started_from", {}).get("run_id", "")
    went_on = f"\n| went on from | {earlier} |" if earlier else ""
    return f"""# M31R {run["run_id"]}

A decoder of Qwen3's shape that completes Rust, trained from scratch: no foreign weights.
It ships inside M31R and runs on a CPU, offline.

| | |
|---|---|
| parameters | {run["parameters"]:,} |
| layers, width, heads, KV heads | {model["layers"]}, {model["hidden_size"]}, \
{model["heads"]}, {model["kv_heads"]} |
| vocabulary | {model["vocab_size"]:,} (byte-level BPE) |
| context | {model["context_length"]:,} tokens |
| tokens seen in training | {tokens:,} |{went_on}
| training cost, without attention | {6 * run["parameters"] * tokens:.1e} FLOPs |
| steps, tokens a step | {plan["steps"]:,}, {plan["batch_tokens"]:,} |
| seed | {run["seed"]} |
| dataset, tokenizer | {run["dataset_id"]}, {run["tokenizer_id"]} |
"""


def _data(manifest: dict[str, Any]) -> str:
    licences = list(manifest["licences"].items())
    rows = "\n".join(f"| {name} | {count:,} |" for name, count in licences[:_LICENCES_SHOWN])
    rest = sum(count for _, count in licences[_LICENCES_SHOWN:])
    more = (
        f"\n| {len(licences) - _LICENCES_SHOWN} others, all permissive | {rest:,} |" if rest else ""
    )
    documents, tokens = manifest["documents"], manifest["tokens"]
    return f"""## Training data

{", ".join(manifest["sources"])}: {documents["train"]:,} files, {tokens["train"]:,} tokens of Rust
in the train split. {documents["valid"]:,} files of other packages validated it, and
{documents["test"]:,} of others again tested it. Every file is under a permissive licence; the
dataset's manifest leads from each token to file, package, version and licence.

| licence (as the package states it) | files |
|---|---|
{rows}{more}
"""


def _results(metrics: dict[str, Any]) -> str:
    rows = []
    for key in ("exact_match", "edit_similarity", "chars_saved"):
        if key in metrics:
            low, high = metrics["ci95"][key]
            rows.append(f"| {key} | {metrics[key]:.3f} | {low:.3f} to {high:.3f} |")
    return f"""## Results

Line tasks of the test split, n = {metrics["n"]}, seed {metrics["seed"]}, as it ships.

| metric | value | 95% interval |
|---|---|---|
{chr(10).join(rows)}
"""


_LIMITS = """## Limits

- It completes lines and short blocks. It does not follow instructions and does not explain.
- It was trained on Rust alone, comments in English. Other languages come out badly.
- It knows crates by their use in the training data, up to the date of the corpus; it invents
  names that do not exist. Read what you accept.
- It may repeat short common passages of its training data, which is permissively licensed.

The weights are under MIT OR Apache-2.0, like the program.
"""


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise M31RError(f"{path}: cannot read it ({error})") from error
    return content
