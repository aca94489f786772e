"""Units: what is read, cached and tried again as one. A crate, an archive, a piece of a pack.

A reader turns a configured source into units without opening them, and later a unit into
documents. Everything that the pipeline remembers, it remembers by unit: a new crate costs one
unit, and a run that was killed goes on at the unit it was at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from m31r_data.config import ArchiveLimits, SourceConfig
from m31r_data.document import Document, Dropped


@dataclass(frozen=True)
class Unit:
    """A part of a source.

    `source` and `name` together name it, and the order of units is the order of (source's place
    in the configuration, name): they depend on content and configuration, not on where things
    lie. `path` is the folder or file to read, `start` and `end` the bytes (or rows) of it that
    belong to this unit; `end` 0 means all. `fingerprint` changes when the content may have
    changed: sizes and modification times are enough. `size` estimates the bytes of text.
    """

    source: int
    name: str
    reader: str
    path: Path
    fingerprint: str
    size: int
    start: int = 0
    end: int = 0


class Reader(NamedTuple):
    """How one kind of source is read.

    `units(source, place, spool, unit_bytes, limits)` lists the units of the source at `place` of
    the configuration, in order of their names; `spool` is a folder of ours, kept between runs,
    where it may unpack what cannot be read from the middle; `unit_bytes` is the size of units of
    what has no natural ones. Raises M31RError naming a source that is missing or foreign.

    `read(unit, source, limits)` yields its documents in a fixed order, and Dropped for files that
    cannot be documents (not UTF-8, too large, an archive member that is refused); it never follows
    links, runs anything or writes anywhere. Raises M31RError naming what is broken.
    """

    units: Callable[[SourceConfig, int, Path, int, ArchiveLimits], Iterator[Unit]]
    read: Callable[[Unit, SourceConfig, ArchiveLimits], Iterator[Document | Dropped]]
