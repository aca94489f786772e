"""Find out what rustc says about every unit in one state of the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

from m31r_core.cargo.known import Keys
from m31r_core.cargo.lanes import Lane
from m31r_core.cargo.learn import Learned
from m31r_core.cargo.opened import Opened
from m31r_core.cargo.process import CargoError, Deadline
from m31r_core.cargo.tree import Tree, is_rust, version_of
from m31r_core.cargo.units import Result, Unit, in_order


class Evaluation:
    """One evaluation of all units in one state: what is known is looked up, the rest is run."""

    def __init__(
        self,
        opened: Opened,
        learned: Learned,
        tree: Tree,
        base: Mapping[str, bytes],
        candidate: Mapping[str, bytes],
        deadline: Deadline,
    ) -> None:
        self._open = opened
        self._sources = opened.sources
        self._learned = learned
        self._tree = tree
        self._base = base
        self._overlay = {**base, **candidate}
        self._candidate = candidate
        self._deadline = deadline
        self._units = in_order(learned.units)
        self._built = Keys(learned, self._sources, learned.versions)
        self.keys = self._keys(self._overlay)

    def results(self) -> dict[str, Result] | None:
        """The result of every unit that can be compiled; None when rustc breaks down."""
        results = self._known()
        if self._missing(results):
            with self._open.lanes.one(self._deadline) as lane:
                if self._candidate:
                    self._warm(lane, self._missing(results))
                lane.mirror.sync(self._tree, self._overlay, self._deadline)
                try:
                    self._compile(lane, results)
                except _BreakdownError:
                    return None
        return results

    def _known(self) -> dict[str, Result]:
        results: dict[str, Result] = {}
        for unit in self._units:
            if unit.hard:
                if unit.name in self._learned.results:
                    results[unit.name] = self._learned.results[unit.name]
                continue
            found = self._open.results.get(self.keys, unit.name)
            if found is not None and all(self._ok(results, other) for other in unit.externs):
                results[unit.name] = found
        return results

    def _ok(self, results: Mapping[str, Result], name: str) -> bool:
        """Whether what is called `name` can be built on."""
        unit = self._learned.units.get(name)
        if unit is None:
            return True
        if unit.hard:
            return name in self._learned.kept.crates
        return name in results and results[name].ok

    def _missing(self, results: Mapping[str, Result]) -> list[Unit]:
        """Units that can be compiled next."""
        return [
            unit
            for unit in self._units
            if not unit.hard
            and unit.name not in results
            and all(self._ok(results, other) for other in unit.externs)
        ]

    def _compile(self, lane: Lane, results: dict[str, Result]) -> None:
        """Run rustc for what is missing, as many units at once as there are threads."""
        running: dict[Future[Result], Unit] = {}
        while True:
            started = {unit.name for unit in running.values()}
            for unit in self._missing(results):
                if unit.name in started:
                    continue
                found = self._open.results.get(self.keys, unit.name)
                if found is not None:
                    results[unit.name] = found
                    continue
                running[self._open.pool.submit(self._run, lane, unit, self.keys)] = unit
            if not running:
                if not self._missing(results):
                    return
                continue
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                unit = running.pop(future)
                try:
                    results[unit.name] = future.result()
                except BaseException:
                    for other in running:
                        other.cancel()
                    wait(running)
                    raise

    def _run(self, lane: Lane, unit: Unit, keys: Keys) -> Result:
        """Check `unit` in `lane`; what it builds on is brought into its state first."""
        needed = [name for name in self._below(unit) if not self._is_kept(name, keys)]
        for name in needed:
            with lane.guard(name):
                if not lane.holds(name, keys(name)):
                    self._call(lane, self._learned.units[name], keys)
        with lane.guard(unit.name):
            return self._call(lane, unit, keys)

    def _call(self, lane: Lane, unit: Unit, keys: Keys) -> Result:
        local = frozenset(name for name in self._below(unit) if not self._is_kept(name, keys))
        tree = str(self._open.full.mirror.tree)
        arguments = (unit, tree, self._learned.kept, local, self._deadline)
        try:
            result = lane.run(*arguments)
        except CargoError:
            self._deadline.left()
            try:
                result = lane.run(*arguments)
            except CargoError as error:
                self._deadline.left()
                raise _BreakdownError from error
        if result.sources is not None:
            self._sources.add(unit.name, result.sources)
        self._open.results.put(keys, unit.name, result)
        if result.ok:
            lane.hold(unit.name, keys(unit.name))
        return result

    def _below(self, unit: Unit) -> list[str]:
        """Names of the units that `unit` builds on, directly or not, each behind its own."""
        found: dict[str, None] = {}

        def visit(current: Unit) -> None:
            for name in current.externs:
                other = self._learned.units.get(name)
                if other is not None and not other.hard and name not in found:
                    visit(other)
                    found[name] = None

        visit(unit)
        return list(found)

    def _is_kept(self, name: str, keys: Keys) -> bool:
        """Whether cargo built `name` in its present state."""
        return name in self._learned.kept.crates and self._built(name) == keys(name)

    def _keys(self, overlay: Mapping[str, bytes]) -> Keys:
        laid = {path: version_of(text) for path, text in overlay.items() if is_rust(path)}
        rust = {path: it for path, it in self._tree.versions.items() if is_rust(path)}
        return Keys(self._learned, self._sources, {**rust, **laid})

    def _warm(self, lane: Lane, missing: Sequence[Unit]) -> None:
        """Give rustc its incremental state: run what compiles without the candidate once."""
        keys = self._keys(self._base)
        cold = []
        for unit in missing:
            known = self._open.results.get(keys, unit.name)
            read = self._sources.of(unit.name)
            touched = known is not None and known.ok and read & self._candidate.keys()
            if touched and not lane.is_warm(unit):
                cold.append(unit)
        if not cold:
            return
        lane.mirror.sync(self._tree, self._base, self._deadline)
        waiting = [self._open.pool.submit(self._run, lane, unit, keys) for unit in cold]
        wait(waiting)


class _BreakdownError(Exception):
    """rustc gave no verdict: only cargo can."""
