"""The repair pairs of one crate: what it offers to break, what of it is tried, what comes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random

from m31r_data.compile.batch import Mutant
from m31r_data.compile.lab import Laboratory
from m31r_data.config import RepairConfig
from m31r_data.mutate.choose import choose
from m31r_data.mutate.pairs import RepairPair, SourceFile, make_pairs
from m31r_data.mutate.table import mutations
from m31r_data.mutate.weights import weights


def run_crate(
    laboratory: Laboratory,
    files: Mapping[str, SourceFile],
    package: str,
    version: str,
    config: RepairConfig,
    seed: int,
) -> Iterator[RepairPair]:
    """Yield the repair pairs of a crate that compiles.

    `files` are those that may be broken and shown, by path relative to the crate's folder: their
    texts must be what the laboratory's crate holds. The same crate gives the same pairs, whatever
    others are asked for. Raises LaboratoryError when the unbroken crate does not pass.
    """
    mutants = mutants_of(files, package, version, config, seed)
    if mutants:
        yield from make_pairs(laboratory.try_mutants(mutants), files, package, version)


def mutants_of(
    files: Mapping[str, SourceFile], package: str, version: str, config: RepairConfig, seed: int
) -> list[Mutant]:
    """Return what is tried: at most `mutants_per_crate`, fewer in small crates."""
    rng = Random(f"{seed}\0{package}\0{version}")
    readable = [path for path in sorted(files) if _is_plain(files[path].text)]
    rng.shuffle(readable)
    offered, size = {}, 0
    for path in readable:
        if size < config.crate_bytes:
            offered[path] = mutations(files[path].text)
            size += len(files[path].text)
    limit = min(config.mutants_per_crate, max(1, size // config.bytes_per_mutant))
    return choose(offered, rng, limit, weights(), alone=config.alone_share)


def _is_plain(text: bytes) -> bool:
    """Whether lines end as the mutators expect and rustc counts bytes as they do."""
    if b"\r" in text or text.startswith(b"\xef\xbb\xbf"):
        return False
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
