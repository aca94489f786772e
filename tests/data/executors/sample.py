"""A small sample of real Rust to build from, and what a build of it leaves.

Crates and files come from the frozen collections that CONTRIBUTING.md names (`M31R_SHARED` says
where they lie); made ones stand in where they are missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from tests.core.mutants import ARCHIVE
from tests.data.conftest import rust_file
from tests.data.dedup.packs import write_packs

CONFIGURATION = """\
output = "dataset"
tokenizer_file = "{tokenizer}"
buckets = 4
shard_tokens = 100_000
unit_bytes = 40_000

[[sources]]
path = "{folder}/crates"
kind = "crates"

[[sources]]
path = "{folder}/packs"
kind = "pack"

[derive]
fim = 0.3
plan = 0.4

[splits]
valid = 0.2
test = 0.2
"""
NEW_CRATE = "adler2-2.0.1"
_CRATES = 8
_CRATE_FILES = 25
_PACK_BYTES = 300_000
_BASE_BYTES = 100_000


@dataclass(frozen=True)
class Sample:
    """Inputs in `folder`, a configuration that reads them, and a crate that they lack."""

    folder: Path
    config: Path
    new_crate: Path


def write_sample(folder: Path) -> Sample:
    """Write the sample: small crates, and packs that hold duplicates of all kinds."""
    inputs, others = folder / "input", folder / "others"
    (inputs / "packs").mkdir(parents=True)
    write_packs(inputs / "packs", _PACK_BYTES, seed=7, base=_BASE_BYTES)
    if ARCHIVE.is_file():
        _unpack(inputs / "crates", others)
    else:
        for number in range(_CRATES):
            _make(inputs / "crates" / f"made-{number}", number)
        _make(others / NEW_CRATE, _CRATES)
    return Sample(inputs, write_config(folder / "data.toml", inputs), others / NEW_CRATE)


def write_config(path: Path, inputs: Path) -> Path:
    """Write a configuration at `path` that reads the sample in the folder `inputs`."""
    tokenizer = Path(__file__).parents[3] / "configs" / "data" / "tokenizer-8k.json"
    path.write_text(CONFIGURATION.format(tokenizer=tokenizer, folder=inputs))
    return path


def _unpack(folder: Path, others: Path) -> None:
    members: dict[str, list[tarfile.TarInfo]] = {}
    with tarfile.open(ARCHIVE) as archive:
        for member in takewhile(lambda _: len(members) < 3 * _CRATES, archive):
            members.setdefault(member.name.partition("/")[0], []).append(member)
        small = {name: found for name, found in members.items() if len(found) < _CRATE_FILES}
        archive.extractall(others, small.pop(NEW_CRATE), filter="data")
        for name in sorted(small)[:_CRATES]:
            archive.extractall(folder, small[name], filter="data")


def _make(crate: Path, number: int) -> None:
    (crate / "src").mkdir(parents=True)
    for part in range(5):
        (crate / "src" / f"part_{part}.rs").write_text(rust_file(10 * number + part))
    (crate / "Cargo.toml").write_text(
        f'[package]\nname = "{crate.name}"\nversion = "1.0.0"\nlicense = "MIT"\n'
    )


def start_build(
    config: Path,
    output: Path,
    *options: str,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Start `m31r-train data build` of `config` to `output`, in a process group of its own."""
    output.parent.mkdir(parents=True, exist_ok=True)
    command = [str(Path(sys.executable).with_name("m31r-train")), "data", "build", str(config)]
    return subprocess.Popen(
        [*command, "--set", f"output={json.dumps(str(output))}", *options],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def build(
    config: Path, output: Path, *options: str, environment: Mapping[str, str] | None = None
) -> str:
    """Build and return what the command printed."""
    running = start_build(config, output, *options, environment=environment)
    printed, error = running.communicate(timeout=300)
    assert running.returncode == 0, error
    return printed


def contents(output: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a dataset, by its name."""
    files = sorted(path for path in output.rglob("*") if path.is_file())
    return {
        path.relative_to(output).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@dataclass(frozen=True)
class Line:
    """A line of the journal of a build."""

    stage: str
    event: str
    unit: str


def journal(output: Path) -> list[Line]:
    """Return what was started and finished in the work folder of `output`, in order."""
    file = output.with_name(f"{output.name}.work") / "journal.jsonl"
    if not file.is_file():
        return []
    # A line may be on its way.
    whole = file.read_text(encoding="utf-8").rpartition("\n")[0]
    return [Line(**json.loads(line)) for line in whole.splitlines()]
