"""Stages `candidates` and `duplicates`: which documents say what another one has said.

Both look at the sketches of all units. A band's documents are sorted by their hashes, a slice of
the hashes at a time; what falls together is a candidate, and one last rank decides them all.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from m31r_data.dedup.bands import candidate_pairs, exact_pairs
from m31r_data.dedup.resolve import duplicates
from m31r_data.dedup.runs import run_of
from m31r_data.dedup.sketch import SketchFile
from m31r_data.plan import Plan, Stores
from m31r_data.stages.flow import BuildStep
from m31r_data.store import key_of

# Ranks that the bands are shared out to.
CANDIDATE_RANKS = 8
_PAIRS = "pairs.keys"
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
                    if band < 0:
                        found = exact_pairs(files, scratch=folder)
                    else:
                        found = candidate_pairs(files, band, scratch=folder)
                    with (folder / _PAIRS).open("wb") as file:
                        for keys in found:
                            keys.astype("<u8", copy=False).tofile(file)


class DecideDuplicates(BuildStep):
    """Decide every candidate and write down which documents go, and which they are copies of."""

    name = "duplicates"

    def work(self, plan: Plan, stores: Stores, rank: int, world_size: int) -> None:
        """Write the one result of all bands."""
        if stores.duplicates.has(plan.duplicates):
            return
        config = self._config.dedup
        keys = [_band_key(plan, band) for band in range(-1, config.bands if config.enabled else 0)]
        with ExitStack() as stack, self.track_time():
            folder = stack.enter_context(stores.duplicates.writing(plan.duplicates, "all"))
            paths = [stores.candidates.path(key) / _PAIRS for key in keys]
            runs = [run_of(stack.enter_context(path.open("rb"))) for path in paths]
            scratch = stack.enter_context(tempfile.TemporaryFile(dir=folder))
            rows = 0
            for found in duplicates(_sketches(plan, stores), runs, config):
                columns = [found.document, found.kept, found.exact.astype(np.int64)]
                np.stack(columns, axis=1).tofile(scratch)
                rows += len(found)
            _save(folder / _DUPLICATES, scratch, rows)
        stores.candidates.prune(())


class Duplicates:
    """What `DecideDuplicates` decided, by unit and by the document's number in it."""

    def __init__(self, plan: Plan, stores: Stores) -> None:
        """Read the decision and count the documents of every unit."""
        path = stores.duplicates.path(plan.duplicates) / _DUPLICATES
        self._rows: NDArray[np.int64] = np.load(path, mmap_mode="r")
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


def _save(path: Path, rows: IO[bytes], count: int) -> None:
    """Write a numpy file of int64 [count, 3] from a file of its bytes."""
    header = {"descr": "<i8", "fortran_order": False, "shape": (count, 3)}
    rows.seek(0)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        shutil.copyfileobj(rows, file)


def _band_key(plan: Plan, band: int) -> str:
    return key_of("band", plan.duplicates, band)
