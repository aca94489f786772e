"""The Rust files of a workspace: which are read, and which of them are held back."""

from __future__ import annotations

import os
import random
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from m31r_core.errors import ConfigError
from m31r_core.tokenizer import Tokenizer
from m31r_data.config import DedupConfig, FilterConfig
from m31r_data.dedup.shingles import shingle_hashes, token_hashes
from m31r_data.document import Document
from m31r_data.filters import Filter
from m31r_data.filters.bindings import bindings
from m31r_data.filters.garbage import garbage
from m31r_data.filters.generated import generated
from m31r_data.filters.lines import lines
from m31r_data.filters.size import size
from m31r_data.filters.syntax import syntax
from m31r_data.filters.table import table
from m31r_data.filters.vendored import vendored
from m31r_data.normalise import normalise
from m31r_train.adapt.config import HoldBackConfig

# Those of the dataset but for licence, kind and package: the code is the user's.
_FILTERS: tuple[Filter, ...] = (vendored, size, garbage, lines, generated, table, bindings, syntax)
_GIT = ("git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "ls-files")
_SECONDS = 60
# Tokens that files for stopping have at least: a loss on fewer says nothing.
_LEAST_STOP = 256


@dataclass(frozen=True)
class SourceFile:
    """A file as it is trained on: its text, normalised, and the ids of that."""

    document: Document
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Found:
    """The files of a workspace, and how many were left out for which reason."""

    files: tuple[SourceFile, ...]
    left_out: dict[str, int]

    @property
    def tokens(self) -> int:
        """Tokens in all files."""
        return _tokens(self.files)


@dataclass(frozen=True)
class Split:
    """Files by use. `near_copies` are in none: held back, but nearly the same as one that is not.

    Measuring on those would count what was learnt by heart.
    """

    train: tuple[SourceFile, ...]
    stop: tuple[SourceFile, ...]
    held_back: tuple[SourceFile, ...]
    near_copies: tuple[SourceFile, ...]


def read_workspace(workspace: Path, tokenizer: Tokenizer, config: FilterConfig) -> Found:
    """Return the Rust files of `workspace` that are worth learning from, sorted by path.

    Raises ConfigError when it is no folder.
    """
    if not workspace.is_dir():
        raise ConfigError(f"{workspace}: no such folder")
    files: list[SourceFile] = []
    left_out = Counter[str]()
    seen: set[str] = set()
    for path in sorted(_paths(workspace)):
        file = workspace / path
        if file.is_symlink() or not file.is_file():
            continue
        document = _document(file, path, workspace.name, config)
        reason = document if isinstance(document, str) else _refusal(document, config)
        if isinstance(document, Document) and reason is None and document.text in seen:
            reason = "copy"
        if reason is not None or isinstance(document, str):
            left_out[str(reason)] += 1
            continue
        seen.add(document.text)
        files.append(SourceFile(document, tuple(tokenizer.encode(document.text))))
    return Found(tuple(files), dict(sorted(left_out.items())))


def split_files(found: Found, config: HoldBackConfig, seed: int) -> Split:
    """Divide the files by use, at random, at least one for stopping and two to be held back.

    Raises ConfigError when there is too little.
    """
    count, tokens = len(found.files), found.tokens
    if count < config.min_files or tokens < config.min_tokens:
        raise ConfigError(
            f"{count} Rust files of {tokens:,} tokens are too few to learn from; at least "
            f"{config.min_files} files and {config.min_tokens:,} tokens are needed"
        )
    files = list(found.files)
    random.Random(f"{seed}:hold back").shuffle(files)
    held = _take(files, config.share * tokens, at_least=2) if config.share else []
    stop = _take(files, config.stop_share * _tokens(files), at_least=1)
    while _tokens(stop) < _LEAST_STOP and len(files) > 1:
        stop += _take(files, 0.0, at_least=1)
    copies = _near_copies(held, [*files, *stop], DedupConfig())
    return Split(
        _by_path(files),
        _by_path(stop),
        _by_path([file for file in held if file not in copies]),
        _by_path(copies),
    )


def _tokens(files: Sequence[SourceFile]) -> int:
    return sum(len(file.ids) for file in files)


def _take(files: list[SourceFile], tokens: float, *, at_least: int) -> list[SourceFile]:
    """Move files out of the list, in order, each that `tokens` tokens have room for.

    At least so many, then the smallest. One file can be most of a crate: holding it back would
    leave nothing to learn from.
    """
    taken: list[SourceFile] = []
    room = tokens
    for file in list(files):
        if len(file.ids) <= room:
            taken.append(file)
            room -= len(file.ids)
    smallest = sorted((file for file in files if file not in taken), key=lambda f: len(f.ids))
    taken += smallest[: max(0, at_least - len(taken))]
    files[:] = [file for file in files if file not in taken]
    return taken


def _near_copies(
    held: Sequence[SourceFile], others: Sequence[SourceFile], config: DedupConfig
) -> list[SourceFile]:
    """Return the files of `held` whose shingles are, by Jaccard, nearly those of another."""
    sets = [_shingles(file, config) for file in others]
    copies = []
    for file in held:
        ours = _shingles(file, config)
        for theirs in sets:
            small, large = sorted((len(ours), len(theirs)))
            if small < config.jaccard * large:
                continue
            common = len(np.intersect1d(ours, theirs, assume_unique=True))
            if common >= config.jaccard * (small + large - common):
                copies.append(file)
                break
    return copies


def _shingles(file: SourceFile, config: DedupConfig) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return shingle_hashes(token_hashes(file.document.text), config.shingle)


def _by_path(files: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
    return tuple(sorted(files, key=lambda file: file.document.path))


def _document(file: Path, path: str, package: str, config: FilterConfig) -> Document | str:
    """Return the file as a document, or why it is none."""
    if file.stat().st_size > config.max_bytes:
        return "too large"
    try:
        text = file.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return "not UTF-8"
    return Document(package, "", path, "", "src", normalise(text))


def _refusal(document: Document, config: FilterConfig) -> str | None:
    for check in _FILTERS:
        answer = check(document, config)
        if answer is not True:
            return answer[1]
    return None


def _paths(workspace: Path) -> list[str]:
    """Return the Rust files that git has or would take; without git, those that lie there."""
    listed = _listed_by_git(workspace)
    return listed if listed is not None else list(_walked(workspace))


def _listed_by_git(workspace: Path) -> list[str] | None:
    """Return what git lists, or None where it is not installed or the folder is not its own."""
    options = ("--cached", "--others", "--exclude-standard", "-z", "--", "*.rs")
    try:
        done = subprocess.run(
            [*_GIT, *options], cwd=workspace, capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    names = {os.fsdecode(name) for name in done.stdout.split(b"\0") if name}
    # A folder that the repository around it ignores has no files there, but has files.
    return sorted(names) if done.returncode == 0 and names else None


def _walked(workspace: Path) -> Iterator[str]:
    for folder, names, files in os.walk(workspace):
        is_crate = "Cargo.toml" in files
        names[:] = sorted(
            name
            for name in names
            if not name.startswith(".")
            and not (is_crate and name == "target")
            and not (Path(folder) / name / "CACHEDIR.TAG").exists()
        )
        for name in files:
            if name.endswith(".rs"):
                yield (Path(folder) / name).relative_to(workspace).as_posix()
