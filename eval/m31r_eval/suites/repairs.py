"""Repair tasks of pairs: lines of a real crate that were broken, and what they were."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m31r_core.errors import ConfigError
from m31r_eval.repair_tasks import EDITIONS, RepairTask
from m31r_eval.suites.choosing import in_turns, unlike
from m31r_eval.suites.code import Crate

OWNERSHIP = (
    "E0382",
    "E0499",
    "E0502",
    "E0505",
    "E0506",
    "E0507",
    "E0515",
    "E0597",
    "E0716",
)
"""Errors about who owns or borrows what."""

_LARGEST = 40_000


@dataclass(frozen=True)
class Broken:
    """A pair as a task, with the code that rustc names first."""

    task: RepairTask
    code: str
    mutator: str
    lines: tuple[str, str]


def read_broken(path: Path, crates: Sequence[Crate]) -> Iterator[Broken]:
    """Yield the pairs of the file `path` (scripts/repair_pairs.py) that are of these crates.

    Raises ConfigError for a file that is none.
    """
    known = {(crate.package, crate.version): crate for crate in crates}
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                pair = json.loads(line)
                crate = known.get((pair["package"], pair["version"]))
                if crate is not None:
                    yield from _broken(pair, crate)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: not a file of repair pairs ({error})") from error


def choose_broken(
    found: Sequence[Broken], count: int, chance: random.Random, *, ownership: bool
) -> list[RepairTask]:
    """Return `count` tasks: codes in turns, within them crates, within them mutators."""
    fitting = [each for each in found if (each.code in OWNERSHIP) == ownership]
    fitting = list(unlike(fitting, lambda each: each.lines))
    turns = in_turns(
        fitting,
        [lambda each: each.code, lambda each: each.task.crate, lambda each: each.mutator],
        chance,
    )
    return [each.task for each, _ in zip(turns, range(count), strict=False)]


def _broken(pair: dict[str, Any], crate: Crate) -> Iterator[Broken]:
    file = next((file for file in crate.files if file.path == pair["path"]), None)
    if file is None or len(file.source) > _LARGEST:
        return
    fixed = pair["prefix"] + pair["fixed"] + pair["suffix"]
    at = file.text.find(fixed)
    if at < 0 or file.text.find(fixed, at + 1) >= 0:
        return
    start = at + len(pair["prefix"])
    broken = file.text[:start] + pair["broken"] + file.text[start + len(pair["fixed"]) :]
    task = RepairTask(
        id=pair["id"],
        edition=crate.edition if crate.edition in EDITIONS else "2021",
        files={file.path: broken},
        fixed=file.text,
        crate=crate.folder,
    )
    yield Broken(task, pair["codes"][0], pair["mutator"], (pair["broken"], pair["fixed"]))
