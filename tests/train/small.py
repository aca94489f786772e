"""A dataset with the vocabulary that ships, and what makes any configuration a trial on a CPU."""

from __future__ import annotations

from pathlib import Path

from m31r_core.shards import DocumentRecord, ShardWriter, write_manifest
from m31r_core.tokenizer import Tokenizer

ROOT = Path(__file__).parents[2]


def small_dataset(directory: Path) -> Path:
    """Write the files of examples/, each in several packages, as a dataset; return `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.load(ROOT / "configs/data/tokenizer-8k.json")
    tokenizer.save(directory / "tokenizer.json")
    files = sorted((ROOT / "examples/src").glob("*.rs"))
    splits = {}
    for split, copies in (("train", 8), ("valid", 1)):
        writer = ShardWriter(directory, split, shard_tokens=1_000_000)
        for i in range(copies):
            for file in files:
                name = f"src/{file.name}"
                record = DocumentRecord(f"{split}{i}", "1.0.0", name, "MIT", "src", "0" * 64)
                writer.add(tokenizer.encode(file.read_text("utf-8")), record)
        splits[split] = writer.close()
    write_manifest(directory, splits, {})
    return directory


def trial(
    dataset: Path, output: Path, *, sequence: int = 256, rows: int = 1, iterations: int = 1
) -> list[str]:
    """Return the overrides that leave a tier its model and make its run three steps on a CPU.

    A step is `rows` rows of `sequence` tokens, and Muon does `iterations` of its method: a whole
    step of base, half a million tokens, takes a CPU core most of an hour.
    """
    values = {
        "dataset": dataset,
        "output": output,
        "device": "cpu",
        "compile": "false",
        "parallel": "ddp",
        "loader_workers": 0,
        "threads": 1,
        "log_every": 1,
        "valid_every": 3,
        "valid_rows": 1,
        "save_every": 3,
        "keep_checkpoints": 1,
        "plan.steps": 3,
        "plan.batch_tokens": rows * sequence,
        "plan.micro_rows": 1,
        "plan.warmup_steps": 1,
        "plan.decay_steps": 0,
        "loader.sequence": sequence,
        "loader.min_example": sequence // 2,
        "optimiser.muon_iterations": iterations,
        "watch.peak": "false",
        "watch.samples_every": 0,
        "watch.tasks_every": 0,
    }
    return [part for key, value in values.items() for part in ("--set", f"{key}={value}")]
