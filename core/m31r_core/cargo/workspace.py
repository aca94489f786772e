"""The compiler of a cargo workspace: verdicts on candidates within a keystroke or two.

Cargo checks the saved files once, in a copy, and every call of rustc is written down. After that
rustc is called directly, for the units whose files a candidate changes and those that build on
them, in a lane with incremental state. What a unit's errors depend on is known (its files, those
of the units it is given), so results are kept by content and never asked for twice. Where only
cargo can know, cargo is asked: `Snapshot.check` says when.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from m31r_core.cargo.compiler import Verdict, compare
from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.cargo.full import CargoAnswer, FullCheck, Targets
from m31r_core.cargo.lanes import Lane, Lanes
from m31r_core.cargo.layout import Layout, layout_as_json, layout_from_json, read_layout
from m31r_core.cargo.learn import (
    Learned,
    learn,
    learn_more,
    load_learned,
    result_as_json,
    result_from_json,
    save_learned,
)
from m31r_core.cargo.process import CargoError, Deadline, locked
from m31r_core.cargo.tree import Scanner, Tree, is_rust, version_of
from m31r_core.cargo.units import Result, Unit, in_order

REMEMBERED = 4096
"""Results of single units in memory."""

VERDICTS = 256
"""Verdicts of whole candidates that a snapshot remembers."""

LARGEST_LANES = 4


class Workspace:
    """One cargo workspace that the user trusts. Threads may share it, and processes its folder.

    Everything it writes lies under `$XDG_CACHE_HOME/m31r` (and in `target_dir`, cargo's target
    folder for the copy). `targets` says whether tests, examples and benches count.
    """

    def __init__(
        self, folder: Path, *, target_dir: Path | None = None, targets: Targets = "all"
    ) -> None:
        self._folder = folder.resolve()
        self._target_dir = target_dir.absolute() if target_dir else None
        self._targets: Targets = targets
        self._guard = threading.Lock()
        self._open: _Open | None = None
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
        self._lanes = min(cores, LARGEST_LANES)
        self._pool = ThreadPoolExecutor(cores, thread_name_prefix="rustc")

    @property
    def root(self) -> Path:
        """The folder of the workspace; raises CargoError where there is none."""
        return self._opened(Deadline(60.0)).layout.root

    def snapshot(self, buffers: Mapping[Path, str], deadline: Deadline) -> Snapshot:
        """Return the compiler's view of the files as they are now.

        `buffers` are unsaved texts by path. The first call checks the workspace from scratch;
        later ones run what changed. Raises CargoError when there is no Cargo.toml, cargo is
        missing or cannot start to compile, a buffer lies outside, or the deadline is over.
        """
        try:
            return self._snapshot(buffers, deadline)
        except OSError as error:
            raise CargoError(f"{error.filename}: {error.strerror}") from error

    def close(self) -> None:
        """End the worker threads; running checks finish first."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _snapshot(self, buffers: Mapping[Path, str], deadline: Deadline) -> Snapshot:
        while True:
            opened = self._opened(deadline)
            tree = opened.scanner.scan(deadline)
            config = opened.config(tree)
            if opened.learned is None:
                opened.take(opened.load())
            learned = opened.learned
            if learned is not None and learned.is_current(tree, config):
                break
            with locked(opened.full.lock, deadline):
                layout = self._fresh_layout(opened, config, deadline)
                if layout.roots != opened.layout.roots:
                    continue
                learned = opened.load()
                if learned is None or not learned.is_current(tree, config):
                    learned = learn(
                        opened.full, opened.home, layout, tree, config, learned, deadline
                    )
                    save_learned(learned, opened.file)
                opened.take(learned)
        texts = {str(opened.resolve(path)): text.encode() for path, text in buffers.items()}
        overlay = {
            path: text
            for path, text in texts.items()
            if not is_rust(path) or tree.versions.get(path) != version_of(text)
        }
        overlay = {
            path: text for path, text in overlay.items() if is_rust(path) or not _same(path, text)
        }
        return Snapshot(opened, tree, overlay, deadline)

    def _opened(self, deadline: Deadline) -> _Open:
        with self._guard:
            if self._open is None or not self._open.layout.is_current():
                self._open = self._start(self._layout(deadline))
            return self._open

    def _start(self, layout: Layout) -> _Open:
        home = _home(layout.root)
        target = self._target_dir or home / "target"
        full = FullCheck(home, target, self._targets)
        lanes = Lanes(home / "lanes", self._lanes)
        scanner = Scanner(layout.roots, _cache_home())
        return _Open(layout, home, full, lanes, scanner, self._pool, self._targets)

    def _fresh_layout(self, opened: _Open, config: str, deadline: Deadline) -> Layout:
        """The layout, asked for again where the configuration is not the one learned from."""
        if opened.learned is not None and opened.learned.config == config:
            return opened.layout
        layout = read_layout(self._folder, deadline)
        _write(self._layout_file, layout_as_json(layout))
        if layout.roots != opened.layout.roots:
            with self._guard:
                self._open = self._start(layout)
        opened.layout = layout
        return layout

    @property
    def _layout_file(self) -> Path:
        return _home(self._folder, "layouts").with_suffix(".json")

    def _layout(self, deadline: Deadline) -> Layout:
        try:
            layout = layout_from_json(self._layout_file.read_text("utf-8"))
            if layout.is_current():
                return layout
        except (OSError, ValueError, KeyError, TypeError):
            pass
        layout = read_layout(self._folder, deadline)
        _write(self._layout_file, layout_as_json(layout))
        return layout


class _Open:
    """What a workspace holds while its manifests stay as they are."""

    def __init__(
        self,
        layout: Layout,
        home: Path,
        full: FullCheck,
        lanes: Lanes,
        scanner: Scanner,
        pool: ThreadPoolExecutor,
        targets: Targets,
    ) -> None:
        self.layout = layout
        self.home = home
        self.full = full
        self.lanes = lanes
        self.scanner = scanner
        self.pool = pool
        self.targets = targets
        self.file = home / f"learned-{targets}.json"
        self.learned: Learned | None = None
        self.results = _Results(home / f"results-{targets}.json")
        self.sources: dict[str, frozenset[str]] = {}
        home.mkdir(parents=True, exist_ok=True, mode=0o700)

    def load(self) -> Learned | None:
        """What this or another process learned last."""
        return load_learned(self.file)

    def take(self, learned: Learned | None) -> None:
        """Begin anew with what was learned."""
        self.learned = learned
        if learned is None:
            return
        self.sources = dict(learned.sources)
        keys = Keys(learned, self.sources, learned.versions)
        for name, result in learned.results.items():
            self.results.put(keys, name, result)
        self.results.load()

    def add_sources(self, unit: str, found: frozenset[str]) -> None:
        """Let the errors of `unit` depend on the files `found` too."""
        known = self.sources.get(unit)
        if known is None or not found <= known:
            self.sources[unit] = found | (known or frozenset())

    def config(self, tree: Tree) -> str:
        """A digest of all that decides how the units are compiled, Rust files of members aside."""
        folders = tuple(str(package.folder) + "/" for package in self.layout.packages)
        parts: list[object] = [self.targets, _environment(), str(self.full.target_dir)]
        for path, version in sorted(tree.versions.items()):
            parts.append((path, "" if is_rust(path) and path.startswith(folders) else version))
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def resolve(self, path: Path) -> Path:
        """`path` (absolute or from the workspace root), links of its folder resolved."""
        full = self.layout.root / path
        full = Path(os.path.normpath(full.parent.resolve() / full.name))
        if not any(full.is_relative_to(root) for root in self.layout.roots):
            raise CargoError(f"{full}: outside the workspace {self.layout.root}")
        return full


class Keys:
    """Names of the states of units: equal names mean equal files, so equal errors.

    A unit that gave up before it knew its files depends on all files of its package: its state
    has a second, wide name.
    """

    def __init__(
        self, learned: Learned, sources: Mapping[str, frozenset[str]], versions: Mapping[str, str]
    ) -> None:
        self._learned = learned
        self._sources = sources
        self._versions = versions
        self._known: dict[tuple[str, bool], str] = {}

    def __call__(self, name: str, *, wide: bool = False) -> str:
        """Return the name of the state that unit `name` is in."""
        sources = self._sources.get(name)
        wide = wide or sources is None
        key = self._known.get((name, wide))
        if key is None:
            unit = self._learned.units[name]
            if wide or sources is None:
                folder = unit.package + "/"
                sources = frozenset(path for path in self._versions if path.startswith(folder))
            own = sorted((path, self._versions.get(path, "")) for path in sources)
            needed = [self(other) for other in unit.externs if other in self._learned.units]
            parts = [self._learned.config, self._learned.compiler, name, wide, own, needed]
            if unit.externs:
                parts.append(self._fixed())
            key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
            self._known[(name, wide)] = key
        return key

    def _fixed(self) -> list[tuple[str, str]]:
        learned = self._learned
        return sorted((path, learned.versions.get(path, "")) for path in learned.fixed)


class _Results:
    """Results of units by the key of their state: the last ones in memory, the user's on disk."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._guard = threading.Lock()
        self._found: OrderedDict[str, Result] = OrderedDict()
        self._saved: set[str] = set()

    def get(self, keys: Keys, unit: str) -> Result | None:
        """What is known of the unit in its state."""
        with self._guard:
            for key in (keys(unit), keys(unit, wide=True)):
                if key in self._found:
                    self._found.move_to_end(key)
                    return self._found[key]
        return None

    def put(self, keys: Keys, unit: str, result: Result) -> None:
        """Remember what came of the unit in its state."""
        with self._guard:
            self._found[keys(unit, wide=result.sources is None)] = result
            while len(self._found) > REMEMBERED:
                self._found.popitem(last=False)

    def load(self) -> None:
        """Add what was saved."""
        try:
            record = json.loads(self._file.read_text("utf-8"))
            found = {key: result_from_json(item) for key, item in record.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return
        with self._guard:
            self._found.update(found)
            self._saved = set(found)

    def save(self, keys: Keys, units: Iterable[str]) -> None:
        """Keep the results of `units` for the next process."""
        with self._guard:
            names = [(keys(unit), keys(unit, wide=True)) for unit in units]
            kept = {key: self._found[key] for pair in names for key in pair if key in self._found}
            if kept.keys() <= self._saved:
                return
            self._saved = set(kept)
        _write(self._file, json.dumps({key: result_as_json(item) for key, item in kept.items()}))


@dataclass(frozen=True)
class _Outcome:
    """The diagnostics of a state; `unsure` says why only cargo can know them."""

    diagnostics: tuple[Diagnostic, ...]
    unsure: str = ""


class Snapshot:
    """The compiler of one state of a workspace: a `Compiler`, made by `Workspace.snapshot`."""

    def __init__(
        self, opened: _Open, tree: Tree, overlay: Mapping[str, bytes], deadline: Deadline
    ) -> None:
        assert opened.learned is not None
        self._open = opened
        self._tree = tree
        self._overlay = dict(overlay)
        self._learned = opened.learned
        self._guard = threading.Lock()
        self._verdicts: OrderedDict[str, Verdict] = OrderedDict()
        self._slow = self._reason(overlay, "")
        outcome = _Outcome((), self._slow)
        if not self._slow:
            outcome = self._evaluate(self._overlay, deadline)
        if outcome.unsure:
            answer = self._cargo(self._overlay, deadline)
            if answer.could_not_start:
                raise CargoError(f"{opened.layout.root}: {answer.first_error}")
            outcome = _Outcome(answer.diagnostics)
        # Without a place are rustc's own sums: "1 warning emitted", "for more information".
        self._diagnostics = tuple(
            found for found in outcome.diagnostics if found.is_error or found.spans
        )
        self._errors = tuple(found for found in outcome.diagnostics if found.is_error)

    @property
    def lanes(self) -> int:
        """How many checks are worth running at the same time."""
        return 1 if self._slow else len(self._open.lanes)

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The errors of the user's files, unsaved changes included."""
        return self._errors

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The errors and warnings of the user's files, unsaved changes included."""
        return self._diagnostics

    @property
    def state(self) -> str:
        """A name of the files as they are: equal for snapshots with equal answers."""
        versions = {**self._tree.versions, "": self._learned.config}
        texts = {path: version.encode() for path, version in versions.items()}
        return _digest({**texts, **self._overlay})

    def text(self, path: str) -> bytes:
        """Return the text of a file, unsaved changes included. Raises CargoError."""
        full = str(self.file_of(path))
        if full in self._overlay:
            return self._overlay[full]
        if is_rust(full) and full in self._tree.versions:
            return self._tree.read(full)
        try:
            return Path(full).read_bytes()
        except OSError as error:
            raise CargoError(f"{full}: {error.strerror}") from error

    def paths(self) -> Sequence[str]:
        """Return the Rust files of the workspace's members, sorted."""
        members = self._open.layout.package_of
        rust = [Path(path) for path in {*self._tree.versions, *self._overlay} if is_rust(path)]
        return sorted(self.path_of(path) for path in rust if members(path) is not None)

    def path_of(self, file: Path) -> str:
        """Return the path that spans have for `file` (absolute, or from the workspace root).

        Raises CargoError when it lies outside the workspace and its path dependencies.
        """
        full = self._open.resolve(file)
        root = self._open.layout.root
        return str(full.relative_to(root)) if full.is_relative_to(root) else str(full)

    def file_of(self, path: str) -> Path:
        """Return the absolute file that a span's path means."""
        return Path(os.path.normpath(self._open.layout.root / path))

    def check(self, changes: Mapping[str, bytes], deadline: Deadline) -> Verdict:
        """Return the verdict on `changes`, whole texts by path, laid over the files.

        Cargo is asked, which takes longer, when a change is in a file that is no Rust, that no
        unit reads, that is new, that lies outside the members, that a build script watches, or
        that a build script or procedural macro is made of; and when the candidate repairs what
        kept cargo from checking targets that were never seen.
        Raises CargoError when there is no answer before the deadline.
        """
        start = time.monotonic()
        laid = self._laid(changes)
        if not laid:
            return compare(self._errors, self._errors, time.monotonic() - start)
        key = _digest(laid)
        with self._guard:
            known = self._verdicts.get(key)
        if known is not None:
            return Verdict(known.new, known.gone, known.unchanged, time.monotonic() - start)
        try:
            verdict = self._check(laid, start, deadline)
        except OSError as error:
            raise CargoError(f"{error.filename}: {error.strerror}") from error
        with self._guard:
            self._verdicts[key] = verdict
            while len(self._verdicts) > VERDICTS:
                self._verdicts.popitem(last=False)
        return verdict

    def check_with_cargo(self, changes: Mapping[str, bytes], deadline: Deadline) -> Verdict:
        """Return the verdict of plain `cargo check` on the copy. Raises CargoError like `check`."""
        start = time.monotonic()
        try:
            return self._check_with_cargo(self._laid(changes), start, deadline)
        except OSError as error:
            raise CargoError(f"{error.filename}: {error.strerror}") from error

    def why_cargo(self, changes: Mapping[str, bytes]) -> str:
        """Say why `check` has to ask cargo about `changes` from the start; "" if it has not."""
        return self._slow or self._reason(self._laid(changes), "candidate ")

    def _laid(self, changes: Mapping[str, bytes]) -> dict[str, bytes]:
        laid = {str(self._open.resolve(Path(path))): text for path, text in changes.items()}
        return {path: text for path, text in laid.items() if not self._is(path, text)}

    def _is(self, path: str, text: bytes) -> bool:
        """Whether the file has this text without any candidate."""
        if path in self._overlay:
            return self._overlay[path] == text
        if is_rust(path):
            return self._tree.versions.get(path) == version_of(text)
        return _same(path, text)

    def _check(self, laid: Mapping[str, bytes], start: float, deadline: Deadline) -> Verdict:
        if self._slow or self._reason(laid, "candidate "):
            return self._check_with_cargo(laid, start, deadline)
        outcome = self._evaluate({**self._overlay, **laid}, deadline, laid)
        if outcome.unsure:
            return self._check_with_cargo(laid, start, deadline)
        after = [found for found in outcome.diagnostics if found.is_error]
        return compare(self._errors, after, time.monotonic() - start)

    def _check_with_cargo(
        self, laid: Mapping[str, bytes], start: float, deadline: Deadline
    ) -> Verdict:
        answer = self._cargo({**self._overlay, **laid}, deadline)
        after = [found for found in answer.diagnostics if found.is_error]
        return compare(self._errors, after, time.monotonic() - start)

    def _cargo(self, overlay: Mapping[str, bytes], deadline: Deadline) -> CargoAnswer:
        """Ask cargo; if the configuration is as it was, learn from the calls it makes."""
        opened = self._open
        same = all(path in self._tree.versions and is_rust(path) for path in overlay)
        same = same and not self._learned.fixed.intersection(overlay)
        records = opened.home / ("records" if same else "records-of-others")
        with locked(opened.full.lock, deadline):
            begin = time.time_ns()
            root = opened.layout.root
            answer = opened.full.run(root, self._tree, overlay, records, deadline)
            if not same:
                shutil.rmtree(records, ignore_errors=True)
            elif self._learned.unknown and not answer.could_not_start:
                more = learn_more(
                    self._learned, answer, opened.full, opened.home, opened.layout, begin
                )
                for name in more.units.keys() - self._learned.units.keys():
                    opened.add_sources(name, more.sources.get(name, frozenset()))
                save_learned(more, opened.file)
                if opened.learned is self._learned:
                    opened.learned = more
                self._learned = more
        return answer

    def _reason(self, laid: Mapping[str, bytes], whose: str) -> str:
        """Why cargo has to be asked about these texts; "" if rustc will do."""
        read: frozenset[str] = frozenset().union(*self._open.sources.values())
        vague = {
            unit.package + "/"
            for name, unit in self._learned.units.items()
            if name not in self._open.sources
        }
        for path in laid:
            if not is_rust(path):
                return f"{whose}{path}: no Rust file"
            if path not in self._tree.versions:
                return f"{whose}{path}: a new file"
            if path in self._learned.fixed:
                return f"{whose}{path}: what is built of it is run by the build"
            if self._open.layout.package_of(Path(path)) is None:
                return f"{whose}{path}: outside the members"
            if path not in read and not path.startswith(tuple(vague)):
                return f"{whose}{path}: no unit reads it"
        return ""

    def _evaluate(
        self,
        overlay: Mapping[str, bytes],
        deadline: Deadline,
        candidate: Mapping[str, bytes] | None = None,
    ) -> _Outcome:
        """Find the diagnostics of every unit, running rustc for those that are not known."""
        run = _Run(self, overlay, candidate or {}, deadline)
        results = run.results()
        if candidate is None and results is not None:
            self._open.results.save(run.keys, results)
        if results is None:
            return _Outcome((), "rustc broke down")
        if self._unblocked(results):
            return _Outcome((), "there are targets that were never checked")
        return _Outcome(_merge(results.values()))

    def _unblocked(self, results: Mapping[str, Result]) -> bool:
        """Whether a target without a known call may now be compiled."""
        learned = self._learned
        layout = self._open.layout
        unknown = {found.package for found in learned.unknown if found.library}
        failing = {
            learned.units[name].package
            for name, result in results.items()
            if not result.ok and not learned.units[name].test and _is_library(learned.units[name])
        }
        for target in learned.unknown:
            package = layout.package_of(Path(target.source))
            if package is None:
                return True
            near = {str(member.folder) for member in layout.near(package)}
            if target.library:
                near.discard(target.package)
            if not near & (failing | unknown):
                return True
        return False


class _Run:
    """One evaluation of all units in one state: what is known is looked up, the rest is run."""

    def __init__(
        self,
        snapshot: Snapshot,
        overlay: Mapping[str, bytes],
        candidate: Mapping[str, bytes],
        deadline: Deadline,
    ) -> None:
        self._open = snapshot._open
        self._learned = snapshot._learned
        self._tree = snapshot._tree
        self._base = snapshot._overlay
        self._overlay = overlay
        self._candidate = candidate
        self._deadline = deadline
        self._units = in_order(self._learned.units)
        self._built = Keys(self._learned, self._open.sources, self._learned.versions)
        self.keys = self._keys(overlay)

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
        arguments = (unit, keys(unit.name), tree, self._learned.kept, local, self._deadline)
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
            self._open.add_sources(unit.name, result.sources)
        self._open.results.put(keys, unit.name, result)
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
        return Keys(self._learned, self._open.sources, {**rust, **laid})

    def _warm(self, lane: Lane, missing: Sequence[Unit]) -> None:
        """Give rustc its incremental state: run what compiles without the candidate once."""
        keys = self._keys(self._base)
        cold = []
        for unit in missing:
            known = self._open.results.get(keys, unit.name)
            read = self._open.sources.get(unit.name, frozenset())
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


def _is_library(unit: Unit) -> bool:
    kinds = {
        value
        for before, value in zip(unit.argv, unit.argv[1:], strict=False)
        if before == "--crate-type"
    }
    return bool(kinds - {"bin"})


def _merge(results: Iterable[Result]) -> tuple[Diagnostic, ...]:
    """All diagnostics, each once: a library and its tests say the same twice."""
    seen: dict[tuple[object, ...], Diagnostic] = {}
    for result in results:
        for found in result.diagnostics:
            seen.setdefault((found.level, found.code, found.message, found.spans), found)
    return tuple(seen.values())


def _same(path: str, text: bytes) -> bool:
    try:
        return Path(path).read_bytes() == text
    except OSError:
        return False


def _digest(texts: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for path, text in sorted(texts.items()):
        digest.update(f"{path}\0{len(text)}\0".encode("utf-8", "surrogateescape"))
        digest.update(text)
    return digest.hexdigest()


def _environment() -> list[object]:
    """What outside the workspace decides which compiler runs and how."""
    found: list[object] = [
        (name, value)
        for name, value in sorted(os.environ.items())
        if name.startswith(("CARGO", "RUST"))
    ]
    rustup = Path(os.environ.get("RUSTUP_HOME", "~/.rustup")).expanduser()
    cargo_home = Path(os.environ.get("CARGO_HOME", "~/.cargo")).expanduser()
    files = [
        rustup / "settings.toml",
        cargo_home / "config.toml",
        cargo_home / "config",
        *(Path(shutil.which(name) or "") for name in ("cargo", "rustc")),
    ]
    for file in files:
        try:
            stat = file.stat()
            found.append((str(file), stat.st_mtime_ns, stat.st_size))
        except OSError:
            found.append((str(file), 0, 0))
    return found


def _cache_home() -> Path:
    configured = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(configured) if Path(configured).is_absolute() else Path("~/.cache").expanduser()
    return base / "m31r"


def _home(folder: Path, kind: str = "overlay") -> Path:
    return _cache_home() / kind / hashlib.sha256(str(folder).encode()).hexdigest()[:16]


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.{os.getpid()}.{threading.get_ident()}")
    temporary.write_text(text, "utf-8")
    temporary.replace(file)
