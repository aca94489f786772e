"""Rows from several sets, by weights: which set row `i` comes from is a function of `i` alone."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from m31r_core.errors import ConfigError
from m31r_core.shards import TOKENIZER, TokenDataset
from m31r_core.tokenizer import Tokenizer
from m31r_train.config import ROWS_MIXED, LoaderConfig
from m31r_train.loader import RowLoader
from m31r_train.packed import PackedLoader
from m31r_train.rows import Rows

CODE = "code"


class MixtureLoader(Rows):
    """Makes rows of several sources. Each is read in its own order, as if it were alone."""

    def __init__(
        self, sources: Sequence[Rows], weights: Sequence[float], config: LoaderConfig
    ) -> None:
        """Mix `sources` by `weights`, which `LoaderConfig` has checked."""
        super().__init__(config)
        self.sources = tuple(sources)
        counts = shares(weights)
        self.schedule = schedule(counts)
        self._counts = counts
        seen = [0] * len(counts)
        self._before: list[int] = []
        for source in self.schedule:
            self._before.append(seen[source])
            seen[source] += 1

    @property
    def notes(self) -> tuple[str, ...]:
        """What the sources say."""
        return tuple(note for source in self.sources for note in source.notes)

    def row(self, number: int) -> list[int]:
        """Return row `number`: the next one of the source whose turn it is."""
        turn, place = divmod(number, ROWS_MIXED)
        source = self.schedule[place]
        return self.sources[source].row(turn * self._counts[source] + self._before[place])


def open_rows(
    directory: Path, split: str, tokenizer: Tokenizer, config: LoaderConfig, seed: int
) -> Rows:
    """Open what `config` mixes, of `split` (train, valid, test) of the dataset in `directory`.

    Raises M31RError for a set or dataset that is not there, ConfigError for one with another
    tokenizer, naming it.
    """
    if not config.mixture:
        return RowLoader(TokenDataset.open(directory, split), tokenizer, config, seed)
    sources: list[Rows] = []
    for entry in config.mixture:
        folder = entry.dataset or directory
        _expect_same_tokenizer(folder, directory)
        if entry.set == CODE:
            source: Rows = RowLoader(TokenDataset.open(folder, split), tokenizer, config, seed)
        else:
            name = f"{entry.set}-{split}"
            dataset = TokenDataset.open(folder, name)
            source = PackedLoader(dataset, config, seed, name=f"{folder}: set '{name}'")
        sources.append(source)
    return MixtureLoader(sources, [entry.weight for entry in config.mixture], config)


def shares(weights: Sequence[float]) -> list[int]:
    """Return how many of `ROWS_MIXED` rows each weight gives, by largest remainder."""
    total = sum(map(Fraction, weights))
    exact = [Fraction(weight) * ROWS_MIXED / total for weight in weights]
    counts = [int(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (counts[i] - exact[i], i))
    for i in by_remainder[: ROWS_MIXED - sum(counts)]:
        counts[i] += 1
    return counts


def schedule(counts: Sequence[int]) -> list[int]:
    """Return the source of each of `ROWS_MIXED` rows, those of a source evenly spread.

    The rows of a source stand in the middle of equal parts of the whole; as the schedule comes
    again and again, any `ROWS_MIXED` rows in a row hold `counts` of each source.
    """
    places = [
        (Fraction(2 * i + 1, 2 * count), source)
        for source, count in enumerate(counts)
        for i in range(count)
    ]
    return [source for _, source in sorted(places)]


def _expect_same_tokenizer(folder: Path, directory: Path) -> None:
    path, expected = folder / TOKENIZER, directory / TOKENIZER
    try:
        same = folder == directory or path.read_bytes() == expected.read_bytes()
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}; is it a dataset?") from error
    if not same:
        raise ConfigError(f"'loader.mixture': {path} is not the tokenizer of {directory}")
