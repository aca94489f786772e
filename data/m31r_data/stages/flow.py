"""What flows between the steps of a stage over units."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from datatrove.pipeline.base import PipelineStep

from m31r_data.config import DataConfig
from m31r_data.document import Document
from m31r_data.plan import Plan, Stores, load_plan, work_folder


@dataclass(frozen=True)
class Item:
    """A document on its way, the number of its unit, and why it was dropped, if it was.

    `read_bytes` is the size of the text as it was read, `masked` counts what was taken out of it.
    Dropped ones flow on, untouched by the steps behind, so that nothing goes without a trace.
    """

    unit: int
    document: Document
    read_bytes: int
    reason: str = ""
    masked: tuple[tuple[str, int], ...] = ()

    def dropped(self, reason: str) -> Item:
        """Return the item as it is when `reason` speaks against it."""
        return replace(self, reason=reason)


Flow = Iterator[Item]


class BuildStep(PipelineStep):  # type: ignore[misc]
    """A step that is all of a stage: it reads and writes the stores, and passes nothing on."""

    type = "M31R"

    def __init__(self, config: DataConfig) -> None:
        super().__init__()
        self._config = config

    def run(self, data: object = None, rank: int = 0, world_size: int = 1) -> Flow:
        """Do the rank's share of the plan that stands in the work folder."""
        self.work(load_plan(self._config), Stores(work_folder(self._config)), rank, world_size)
        yield from ()

    @abstractmethod
    def work(self, plan: Plan, stores: Stores, rank: int, world_size: int) -> None:
        """Write the results of `rank` that are not there yet."""


class EachDocument(PipelineStep):  # type: ignore[misc]
    """A step that does one thing to every document that was not dropped."""

    type = "M31R"

    def __init__(self, name: str, change: Callable[[Item], Item]) -> None:
        """`name` stands in datatrove's statistics, with the time that `change` takes."""
        self.name = name
        super().__init__()
        self._change = change

    def run(self, data: Iterable[Item], rank: int = 0, world_size: int = 1) -> Flow:
        """Pass every item on, changed unless it was dropped before."""
        for item in data:
            if not item.reason:
                with self.track_time():
                    item = self._change(item)
                self.stat_update("dropped" if item.reason else "kept")
            yield item
