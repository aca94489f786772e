"""Stage `select`: which of all repair pairs are kept, so that no error drowns the others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from m31r_data.config import DataConfig
from m31r_data.mutate.pairs import RepairPair
from m31r_data.mutate.select import key_of as choice_of
from m31r_data.mutate.select import select
from m31r_data.plan import Plan, Stores, crates_to_break
from m31r_data.records import read_lines
from m31r_data.secrets import mask_secrets
from m31r_data.stages.crates import PAIRS, path_inside
from m31r_data.stages.dedup import Duplicates
from m31r_data.stages.flow import BuildStep
from m31r_data.stages.prepare import NAMES

_CHOSEN = "chosen.json"


class SelectPairs(BuildStep):
    """Choose among the pairs of files that are not copies of others."""

    name = "select"

    def work(self, plan: Plan, stores: Stores, rank: int, world_size: int) -> None:
        """Write the ids of those that are kept."""
        config = self._config
        if stores.selected.has(plan.selected):
            return
        with stores.selected.writing(plan.selected, "all") as folder, self.track_time():
            keys = (choice_of(pair) for pair in _originals(plan, stores, config))
            chosen = select(keys, config.repair, config.seed)
            (folder / _CHOSEN).write_text(json.dumps(chosen))


def chosen_pairs(
    plan: Plan, stores: Stores, config: DataConfig, units: Iterable[int]
) -> Iterator[RepairPair]:
    """Yield the pairs of some units that are kept, without secrets."""
    if not config.repair.enabled:
        return
    path = stores.selected.path(plan.selected) / _CHOSEN
    chosen = frozenset(json.loads(path.read_text()))
    crates = frozenset(crates_to_break(plan, config))
    for unit in units:
        if unit in crates:
            for pair in _pairs_of(plan, stores, unit):
                if pair.id in chosen:
                    yield _masked(pair)


def _masked(pair: RepairPair) -> RepairPair:
    """Take secrets and personal data out of what is shown; of the mended lines too."""
    return replace(
        pair,
        prefix=mask_secrets(pair.prefix)[0],
        broken=mask_secrets(pair.broken)[0],
        fixed=mask_secrets(pair.fixed)[0],
        suffix=mask_secrets(pair.suffix)[0],
    )


def _originals(plan: Plan, stores: Stores, config: DataConfig) -> Iterator[RepairPair]:
    """Yield the pairs of files that were not dropped as duplicates of others."""
    duplicates = Duplicates(plan, stores)
    for unit in crates_to_break(plan, config):
        copies = duplicates.of_unit(unit)
        names = json.loads((stores.prepared.path(plan.prepared[unit]) / NAMES).read_text())
        inside = path_inside(plan.units[unit], config)
        dropped = {inside(names[number][1]) for number in copies}
        yield from (pair for pair in _pairs_of(plan, stores, unit) if pair.path not in dropped)


def _pairs_of(plan: Plan, stores: Stores, unit: int) -> Iterator[RepairPair]:
    rows = read_lines(stores.repaired.path(plan.repaired[unit]) / PAIRS)
    return map(RepairPair.from_json, rows)
