"""What is known of units, by the state of all that their errors depend on."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path

from m31r_core.cargo.learn import Learned, result_as_json, result_from_json
from m31r_core.cargo.units import Result

REMEMBERED = 8 << 20
"""Characters of rustc's messages that are kept in memory; the parsed ones take about as much."""

OVERHEAD = 1 << 10
"""What a result counts beside its messages, in characters."""


class Sources:
    """The Rust files that every unit was seen to read; they only become more."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._found: dict[str, frozenset[str]] = {}
        self._all: frozenset[str] = frozenset()
        self.version = 0

    def __contains__(self, unit: str) -> bool:
        return unit in self._found

    def of(self, unit: str) -> frozenset[str]:
        """The files of `unit`; none while they are not known."""
        return self._found.get(unit, frozenset())

    @property
    def all(self) -> frozenset[str]:
        """The files that some unit reads."""
        return self._all

    def add(self, unit: str, found: frozenset[str]) -> None:
        """Let the errors of `unit` depend on the files `found` too."""
        with self._guard:
            known = self._found.get(unit)
            if known is None or not found <= known:
                self._found[unit] = found | (known or frozenset())
                self._all |= found
                self.version += 1


class Keys:
    """Names of the states of units: equal names mean equal files, so equal errors.

    A unit that gave up before it knew its files depends on all files of its package: its state
    has a second, wide name.
    """

    def __init__(self, learned: Learned, sources: Sources, versions: Mapping[str, str]) -> None:
        self._learned = learned
        self._sources = sources
        self._versions = versions
        self._known: dict[tuple[str, bool], str] = {}
        self._of_version = sources.version

    def __call__(self, name: str, *, wide: bool = False) -> str:
        """Return the name of the state that unit `name` is in."""
        if self._of_version != self._sources.version:
            self._of_version = self._sources.version
            self._known = {}
        wide = wide or name not in self._sources
        key = self._known.get((name, wide))
        if key is None:
            unit = self._learned.units[name]
            sources = self._sources.of(name)
            if wide:
                folder = unit.package + "/"
                sources |= {path for path in self._versions if path.startswith(folder)}
            own = sorted((path, self._versions.get(path) or _stamp(path)) for path in sources)
            needed = [self(other) for other in unit.externs if other in self._learned.units]
            learned = self._learned
            parts = [learned.config, learned.compiler, name, wide, own, needed, self._fixed()]
            key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
            self._known[(name, wide)] = key
        return key

    def _fixed(self) -> list[tuple[str, str]]:
        learned = self._learned
        return sorted((path, learned.versions.get(path, "")) for path in learned.fixed)


class Results:
    """Results of units by the key of their state: the last ones in memory, the user's on disk."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._guard = threading.Lock()
        self._found: OrderedDict[str, Result] = OrderedDict()
        self._size = 0
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
            key = keys(unit, wide=result.sources is None)
            self._drop(key)
            self._found[key] = result
            self._size += _size(result)
            while self._size > REMEMBERED and len(self._found) > 1:
                self._drop(next(iter(self._found)))

    def load(self, sources: Sources) -> None:
        """Add what was saved, and to `sources` the files that it depends on."""
        try:
            record = json.loads(self._file.read_text("utf-8"))
            found = {key: (unit, result_from_json(it)) for key, (unit, it) in record.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return
        for unit, result in found.values():
            if result.sources is not None:
                sources.add(unit, result.sources)
        with self._guard:
            for key, (_, result) in found.items():
                self._drop(key)
                self._found[key] = result
                self._size += _size(result)
            self._saved = set(found)

    def save(self, keys: Keys, units: Iterable[str]) -> None:
        """Keep the results of `units` for the next process."""
        with self._guard:
            names = [(key, unit) for unit in units for key in (keys(unit), keys(unit, wide=True))]
            kept = {key: (unit, self._found[key]) for key, unit in names if key in self._found}
            if kept.keys() <= self._saved:
                return
            self._saved = set(kept)
        record = {key: (unit, result_as_json(result)) for key, (unit, result) in kept.items()}
        replace_text(self._file, json.dumps(record))

    def _drop(self, key: str) -> None:
        found = self._found.pop(key, None)
        if found is not None:
            self._size -= _size(found)


def _stamp(path: str) -> str:
    """The version of a file that lies outside the workspace."""
    try:
        stat = Path(path).stat()
    except OSError:
        return ""
    return f"{stat.st_mtime_ns},{stat.st_size},{stat.st_ctime_ns}"


def _size(result: Result) -> int:
    return OVERHEAD + sum(map(len, result.lines))


def replace_text(file: Path, text: str) -> None:
    """Write `file` so that readers find the old text or the new one; for the user's eyes only."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.{os.getpid()}.{threading.get_ident()}")
    temporary.touch(mode=0o600)
    temporary.write_text(text, "utf-8")
    temporary.replace(file)
