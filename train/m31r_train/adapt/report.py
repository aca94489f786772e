"""What an adaptation says: on the terminal, and in the bundle's model card."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from m31r_train.adapt.measure import Comparison
from m31r_train.adapt.training import Trained
from m31r_train.adapt.workspace import Found, Split

_VERDICTS = {
    "better": "The adapted model completes the held-back files better.",
    "unclear": "No difference can be told: the interval holds 0. More code, or more tasks, may.",
    "worse": "The adapted model is WORSE on the held-back files. Do not use it; try more files, "
    "a lower 'pace.rate', or a lower 'lora.rank'.",
}


def show_files(workspace: Path, found: Found, split: Split) -> None:
    """Print how many files are used for what."""
    parts = {
        "to train on": split.train,
        "to decide when to stop": split.stop,
        "held back to measure on": split.held_back,
        "left aside, near copies of others": split.near_copies,
    }
    print(f"{workspace.name}: {len(found.files)} Rust files, {found.tokens:,} tokens")
    for label, files in parts.items():
        if files:
            print(f"  {len(files)} {label} ({sum(len(file.ids) for file in files):,} tokens)")
    for reason, count in found.left_out.items():
        print(f"  {count} not used: {reason}")


def show_result(result: Comparison | None, trained: Trained, bundle: Path, seconds: float) -> None:
    """Print the table, the verdict, and how to use the bundle."""
    print(
        f"{trained.steps} of {trained.planned} steps ({trained.why_ended}), {trained.tokens:,} "
        f"tokens, {seconds / 60:.1f} minutes in all; kept: step {trained.best_step}, loss on files "
        f"for stopping {trained.first_stop_loss:.3f} -> {trained.stop_loss:.3f}"
    )
    print(f"the same again: --set steps={trained.planned}")
    if result is None:
        print("Nothing was held back, so nothing was measured.")
    else:
        Console().print(_table(result))
        print(_VERDICTS[result.verdict])
    if result is None or result.verdict != "worse":
        print(f"Use it:  m31r-lsp --model {bundle}")
        print(f'or in m31r.toml of the workspace:  [model]  path = "{bundle.resolve()}"')


def _table(result: Comparison) -> Table:
    table = Table(
        title=f"held-back files, {result.n} line tasks",
        box=box.SIMPLE_HEAD,
        title_justify="left",
    )
    for name in ("", "before", "after", "change [95%]", "gained, lost", "p"):
        table.add_column(name, justify="right" if name else "left")
    low, high = (100 * end for end in result.ci95)
    table.add_row(
        "exact match",
        f"{100 * result.before:.1f}%",
        f"{100 * result.after:.1f}%",
        f"{100 * (result.after - result.before):+.1f} \\[{low:+.1f}, {high:+.1f}]",
        f"{result.gained}, {result.lost}",
        f"{result.p:.2g}",
    )
    table.add_row(
        "edit similarity",
        f"{100 * result.similarity_before:.1f}%",
        f"{100 * result.similarity_after:.1f}%",
    )
    table.add_row("bits per byte", f"{result.bits_before:.3f}", f"{result.bits_after:.3f}")
    return table


def model_card(name: str, base: str, trained: Trained, files: int) -> str:
    """Return MODEL_CARD.md of an adapted bundle."""
    return f"""# {name}

{base}, fine-tuned on the machine of its user on {files} files of a workspace: a LoRA adapter,
{trained.best_step} steps, merged into the weights.

It may repeat what those files hold. Treat it like that code: under its licence, and as
confidential as it is. {base} itself is under MIT OR Apache-2.0.
"""
