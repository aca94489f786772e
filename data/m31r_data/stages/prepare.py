"""Stage `prepare`: from what lies on disk to documents that may be trained on, unit by unit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from datatrove.pipeline.base import PipelineStep

from m31r_data.config import DataConfig, FilterConfig
from m31r_data.decontaminate import Decontaminator
from m31r_data.dedup.sketch import Sketch, sketch_of, write_sketches
from m31r_data.document import Dropped
from m31r_data.filters import FILTERS, Filter
from m31r_data.normalise import normalise
from m31r_data.plan import Stores, load_plan, work_folder
from m31r_data.readers import read_unit
from m31r_data.records import Prepared, write_prepared
from m31r_data.secrets import mask_secrets
from m31r_data.stages.flow import EachDocument, Flow, Item

DOCUMENTS = "documents.jsonl.zst"
# Package and path of the documents that passed, in order.
NAMES = "names.json"
CONTAMINATED = "overlaps evaluation"


def prepare_steps(config: DataConfig) -> list[PipelineStep]:
    """Return the pipeline: read, filter, normalise, decontaminate, mask, write."""
    steps: list[PipelineStep] = [ReadUnits(config)]
    for check in FILTERS:
        steps.append(EachDocument(check.__name__, _Refuse(check, config.filters)))
    steps.append(EachDocument("normalise", _normalise))
    if config.decontaminate.tasks:
        tasks = Decontaminator.from_tasks(config.decontaminate.tasks, config.decontaminate.tokens)
        steps.append(EachDocument("decontaminate", _Decontaminate(tasks)))
    steps.append(EachDocument("mask", _mask))
    steps.append(WriteUnits(config))
    return steps


class ReadUnits(PipelineStep):  # type: ignore[misc]
    """Read the documents of the rank's units that are not in the store yet."""

    name, type = "read", "M31R"

    def __init__(self, config: DataConfig) -> None:
        super().__init__()
        self._config = config

    def run(self, data: object = None, rank: int = 0, world_size: int = 1) -> Flow:
        """Yield the documents of each unit in turn."""
        config = self._config
        plan, stores = load_plan(config), Stores(work_folder(config))
        for number in plan.batches["prepare"][rank]:
            if stores.prepared.has(plan.prepared[number]):
                continue
            for found in read_unit(plan.units[number], config.sources, config.archives):
                document = found.document if isinstance(found, Dropped) else found
                size = len(document.text.encode("utf-8", errors="surrogatepass"))
                reason = found.reason if isinstance(found, Dropped) else ""
                yield Item(number, document, size, reason)


class WriteUnits(PipelineStep):  # type: ignore[misc]
    """Write what came of each unit, with a sketch of every document that passed."""

    name, type = "write", "M31R"

    def __init__(self, config: DataConfig) -> None:
        super().__init__()
        self._config = config

    def run(self, data: Iterable[Item], rank: int = 0, world_size: int = 1) -> Flow:
        """Consume the items; a unit is finished when the next one begins."""
        plan, stores = load_plan(self._config), Stores(work_folder(self._config))
        pending = list(plan.batches["prepare"][rank])
        for number, items in groupby(data, key=lambda item: item.unit):
            while pending[0] != number:
                self._write(stores, plan.prepared, plan.units[pending[0]].name, pending.pop(0), ())
            pending.pop(0)
            self._write(stores, plan.prepared, plan.units[number].name, number, items)
        for number in pending:
            self._write(stores, plan.prepared, plan.units[number].name, number, ())
        yield from ()

    def _write(
        self, stores: Stores, keys: Sequence[str], name: str, number: int, items: Iterable[Item]
    ) -> None:
        """Write one unit; an empty one too, unless another process has written it by now."""
        key = keys[number]
        if stores.prepared.has(key):
            return
        sketches: list[Sketch] = []
        names: list[list[str]] = []

        def rows() -> Iterator[Prepared]:
            """Note the documents as they pass: never are all texts of a unit in memory."""
            for each in items:
                if not each.reason:
                    document = each.document
                    sketches.append(sketch_of(document.text, self._config.dedup))
                    names.append([document.package, document.path])
                self.stat_update("documents")
                yield Prepared(each.document, each.read_bytes, each.reason, each.masked)

        with stores.prepared.writing(key, name) as folder:
            write_prepared(folder / DOCUMENTS, rows())
            write_sketches(folder, sketches)
            (folder / NAMES).write_text(json.dumps(names, ensure_ascii=False), encoding="utf-8")


@dataclass(frozen=True)
class _Refuse:
    check: Filter
    config: FilterConfig

    def __call__(self, item: Item) -> Item:
        answer = self.check(item.document, self.config)
        return item if answer is True else item.dropped(answer[1])


@dataclass(frozen=True)
class _Decontaminate:
    tasks: Decontaminator

    def __call__(self, item: Item) -> Item:
        return item.dropped(CONTAMINATED) if self.tasks.overlaps(item.document.text) else item


def _normalise(item: Item) -> Item:
    text = normalise(item.document.text)
    return replace(item, document=replace(item.document, text=text))


def _mask(item: Item) -> Item:
    text, counts = mask_secrets(item.document.text)
    if not counts:
        return item
    document = replace(item.document, text=text)
    return replace(item, document=document, masked=tuple(sorted(counts.items())))
