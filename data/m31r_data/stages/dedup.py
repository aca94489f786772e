"""Stages `candidates` and `duplicates`: which documents say what another one has said.

Both look at the sketches of all units. A band's documents are sorted by their hashes, a slice of
the hashes at a time; what falls together is a candidate, and one last rank decides them all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from m31r_data.dedup.bands import candidate_pairs, exact_pairs
from m31r_data.dedup.resolve import duplicates
from m31r_data.dedup.sketch import SketchFile
from m31r_data.plan import Plan, Stores
from m31r_data.stages.flow import BuildStep
from m31r_data.store import key_of

# Ranks that the bands are shared out to.
CANDIDATE_RANKS = 8
_PAIRS = "pairs.npy"
_DUPLICATES = "duplicates.npy"


class FindCandidates(BuildStep):
    """Pair the documents that fall together in a band, in every band that is the rank's."""

    name = "candidates"

    def work(self, plan: Plan, stores: Stores, rank: int, world_size: int) -> None:
        """Write the pairs of the rank's bands; the first rank pairs exact duplicates too."""
        if stores.duplicates.has(plan.duplicates):
            return
        files = _sketches(plan, stores)
        bands = self._config.dedup.bands if self._config.dedup.enabled else 0
        for band in range(rank - 1, bands, world_size):
            key = _band_key(plan, band)
            if not stores.candidates.has(key):
                with stores.candidates.writing(key, f"band {band}") as folder, self.track_time():
                    pairs = exact_pairs(files) if band < 0 else candidate_pairs(files, band)
                    np.save(folder / _PAIRS, pairs)


class DecideDuplicates(BuildStep):
    """Decide every candidate and write down which documents go, and which they are copies of."""

    name = "duplicates"

    def work(self, plan: Plan, stores: Stores, rank: int, world_size: int) -> None:
        """Write the one result of all bands."""
        if stores.duplicates.has(plan.duplicates):
            return
        config = self._config.dedup
        keys = [_band_key(plan, band) for band in range(-1, config.bands if config.enabled else 0)]
        pairs = (np.load(stores.candidates.path(key) / _PAIRS) for key in keys)
        with stores.duplicates.writing(plan.duplicates, "all") as folder, self.track_time():
            found = duplicates(_sketches(plan, stores), pairs, config)
            rows = np.stack([found.document, found.kept, found.exact.astype(np.int64)], axis=1)
            np.save(folder / _DUPLICATES, rows)
        stores.candidates.prune(())


class Duplicates:
    """What `DecideDuplicates` decided, by unit and by the document's number in it."""

    def __init__(self, plan: Plan, stores: Stores) -> None:
        """Read the decision and count the documents of every unit."""
        self._rows: NDArray[np.int64] = np.load(
            stores.duplicates.path(plan.duplicates) / _DUPLICATES
        )
        counts = [len(file) for file in _sketches(plan, stores)]
        self._starts: NDArray[np.int64] = np.concatenate([[0], np.cumsum(counts)])

    def of_unit(self, unit: int) -> dict[int, tuple[int, int, bool]]:
        """Return number -> (unit and number of the document that stays, whether exact)."""
        start, end = self._starts[unit : unit + 2]
        low, high = np.searchsorted(self._rows[:, 0], [start, end])
        found = {}
        for document, kept, exact in self._rows[low:high].tolist():
            other = int(np.searchsorted(self._starts, kept, side="right")) - 1
            found[document - int(start)] = (other, kept - int(self._starts[other]), bool(exact))
        return found


def _sketches(plan: Plan, stores: Stores) -> Sequence[SketchFile]:
    return [SketchFile(stores.prepared.path(key)) for key in plan.prepared]


def _band_key(plan: Plan, band: int) -> str:
    return key_of("band", plan.duplicates, band)
