"""`m31r-train export`, `m31r-train unpack` and `m31r-train parity`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from m31r_core.cli import Commands, add_command


def add_export_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the subcommand `export`."""
    parser = add_command(
        commands,
        "export",
        "Make a bundle from a checkpoint.",
        "m31r-train export runs/nano/checkpoint --out models/nano --quant int8",
        run_export,
    )
    parser.add_argument("checkpoint", type=Path, help="Hugging Face folder")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="bundle to write")
    parser.add_argument("--quant", choices=("int8", "int4", "fp32"), default="int8")
    parser.add_argument(
        "--block", type=int, choices=(32, 64, 128, 256), help="weights that share a scale"
    )
    parser.add_argument(
        "--gguf", action="store_true", help="also write model.gguf, the model for llama.cpp"
    )
    parser.add_argument("--model-id", metavar="NAME", help="default: the run's, else DIR's name")
    parser.add_argument("--card", type=Path, metavar="FILE", help="text of MODEL_CARD.md")


def add_unpack_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the subcommand `unpack`."""
    parser = add_command(
        commands,
        "unpack",
        "Make a checkpoint from a bundle, to train it further or to use it elsewhere.",
        "m31r-train unpack models/nano --out runs/nano-unpacked",
        run_unpack,
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")


def add_parity_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the subcommand `parity`."""
    parser = add_command(
        commands,
        "parity",
        "Compare a bundle with the checkpoint that it was made from.",
        "m31r-train parity runs/nano/checkpoint models/nano --text src --min-equal 0.97",
        run_parity,
    )
    parser.add_argument("checkpoint", type=Path, help="Hugging Face folder")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--prompts", type=int, default=200, metavar="N")
    parser.add_argument("--tokens", type=int, default=32, metavar="N", help="behind each prompt")
    parser.add_argument(
        "--text",
        type=Path,
        default=Path(),
        metavar="PATH",
        help="Rust file, or folder of them, to take prompts from (default: this folder)",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--min-equal",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="fail when fewer greedy tokens are equal (0 to 1)",
    )


def run_export(arguments: argparse.Namespace) -> int:
    """Export as `arguments` say and print what was written."""
    from m31r_export.checkpoint import export_checkpoint

    bundle = export_checkpoint(
        arguments.checkpoint,
        arguments.out,
        quant=arguments.quant,
        block=arguments.block,
        gguf=arguments.gguf,
        model_id=arguments.model_id,
        card=arguments.card,
    )
    size = sum(file.stat().st_size for file in bundle.path.iterdir())
    print(f"{bundle.path}: {bundle.manifest.model_id}, {arguments.quant}, {size / 1e6:.1f} MB")
    return 0


def run_unpack(arguments: argparse.Namespace) -> int:
    """Unpack as `arguments` say and print what was written."""
    from m31r_core.bundle import load_bundle
    from m31r_export.unpack import unpack_bundle

    config = unpack_bundle(load_bundle(arguments.bundle), arguments.out)
    print(f"{arguments.out}: {config.parameters:,} parameters, float32")
    return 0


def run_parity(arguments: argparse.Namespace) -> int:
    """Print how far the bundle is from its checkpoint; fail when it is further than allowed."""
    import torch
    from rich.progress import track

    from m31r_core.bundle import load_bundle
    from m31r_core.engine.graph import Graph
    from m31r_core.engine.session import Session
    from m31r_core.errors import M31RError
    from m31r_core.model import load_checkpoint
    from m31r_core.tokenizer import Tokenizer
    from m31r_export.parity import measure_parity, sample_prompts

    # The passes are short: with more threads, most of the time goes into waiting for each other.
    torch.set_num_threads(1)
    decoder, config = load_checkpoint(arguments.checkpoint)
    bundle = load_bundle(arguments.bundle)
    if bundle.manifest.vocab_size != config.vocab_size:
        raise M31RError(f"{bundle.path}: not made from {arguments.checkpoint}: other vocabulary")
    prompts = sample_prompts(
        arguments.text,
        Tokenizer.load(bundle.tokenizer),
        arguments.prompts,
        steps=arguments.tokens,
        context_length=config.context_length,
        seed=arguments.seed,
    )
    shown = track(prompts, "comparing", disable=not sys.stdout.isatty(), transient=True)
    parity = measure_parity(decoder, Session(Graph(bundle)), shown, arguments.tokens)
    print(f"prompts                   {parity.prompts}")
    print(f"tokens                    {parity.tokens}")
    print(f"largest logit difference  {parity.largest_difference:.6f}")
    print(f"equal greedy tokens       {parity.equal_share:.2%}")
    if parity.equal_share < arguments.min_equal:
        raise M31RError(
            f"{bundle.path}: {parity.equal_share:.2%} of the greedy tokens are equal, "
            f"less than {arguments.min_equal:.2%}"
        )
    return 0
