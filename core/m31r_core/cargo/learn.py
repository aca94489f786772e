"""Learn from one run of cargo how it calls rustc, and what came of it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from m31r_core.cargo.full import CargoAnswer, FullCheck
from m31r_core.cargo.lanes import Kept
from m31r_core.cargo.layout import Layout
from m31r_core.cargo.process import CargoError, Deadline
from m31r_core.cargo.tree import Tree, is_rust
from m31r_core.cargo.units import (
    Result,
    Unit,
    dep_info_sources,
    read_unit,
    stem_of,
    unit_as_json,
    unit_from_json,
)

FORMAT = 1
GENERATIONS = 3
"""So many sets of what cargo built are kept, for checks that began with an older one."""

LIBRARIES = frozenset({"lib", "rlib", "dylib", "cdylib", "staticlib", "proc-macro"})


@dataclass(frozen=True)
class Unknown:
    """A target that cargo would check but has not called rustc for: what it needs had errors."""

    package: str
    source: str
    test: bool
    library: bool


@dataclass(frozen=True)
class Learned:
    """What is known about a workspace as long as its configuration is `config`.

    `versions` are those of the Rust files at that time and `results` what came of them.
    `sources` names the files of every unit, `fixed` those whose change only cargo can follow.
    `broken` says that something had errors whose results lanes would need.
    """

    config: str
    compiler: str
    units: Mapping[str, Unit]
    unknown: tuple[Unknown, ...]
    kept: Kept
    versions: Mapping[str, str]
    fixed: frozenset[str]
    broken: bool
    sources: Mapping[str, frozenset[str]]
    results: Mapping[str, Result]

    def is_current(self, tree: Tree, config: str) -> bool:
        """Whether it tells how `tree` with the configuration `config` is compiled."""
        return (
            self.config == config
            and all(tree.versions.get(path) == self.versions.get(path) for path in self.fixed)
            and self.compiler == _compiler(self.units.values())
            and all(Path(path).exists() for path in self.needs)
        )

    @cached_property
    def needs(self) -> frozenset[str]:
        """Files and folders that lanes use and that have to be there."""
        given = {
            path
            for unit in self.units.values()
            for stem, path in unit.extern_paths.items()
            if stem not in self.units and stem not in self.kept.crates
        }
        return frozenset({*given, *self.kept.crates.values(), *self.kept.moved.values()})


def learn(
    full: FullCheck,
    home: Path,
    layout: Layout,
    tree: Tree,
    config: str,
    before: Learned | None,
    deadline: Deadline,
) -> Learned:
    """Run cargo on the saved files and return what it teaches. The caller holds `full.lock`.

    Raises CargoError when something else than the code keeps cargo from working.
    """
    records = home / "records"
    for _ in range(2):
        start = time.time_ns()
        called = _stamps(records)
        answer = full.run(layout.root, tree, {}, records, deadline)
        if answer.could_not_start:
            raise CargoError(f"{layout.root}: {answer.first_error}")
        names = _changed(called, _stamps(records))
        built = _built(answer, layout)
        lost = [name for name in built if not (records / f"{name}.json").exists()]
        if not lost:
            break
        for name in lost:
            _forget(full.target_dir, name)
    kept = _keep(answer, full, home / "kept")
    tree_path = str(full.mirror.tree)
    units = _read(records, names | built, tree_path)
    if before is not None and before.config == config:
        units = {**_read(records, set(before.units) - set(units), tree_path), **units}
    infos = {
        name: _dep_info(unit, full, start if name not in built else 0)
        for name, unit in units.items()
    }
    sources = {name: info for name, info in infos.items() if info is not None}
    rust = {path: version for path, version in tree.versions.items() if is_rust(path)}
    fixed = set(_watched(answer, full))
    for name, unit in units.items():
        if unit.hard:
            inside = {path for path in rust if path.startswith(unit.package + "/")}
            fixed |= sources.get(name) or inside
    return Learned(
        config=config,
        compiler=_compiler(units.values()),
        units=units,
        unknown=_unknown(layout, units, names | built, built),
        kept=kept,
        versions=rust,
        fixed=frozenset(
            path for path in rust if any(path == f or path.startswith(f + "/") for f in fixed)
        ),
        broken=_is_broken(answer, layout, units, built),
        sources=sources,
        results=_results(answer, units, infos, names | built, built),
    )


def learn_more(
    learned: Learned, answer: CargoAnswer, full: FullCheck, home: Path, layout: Layout, start: int
) -> Learned:
    """Add what a run over changed Rust files called rustc for that was unknown before."""
    records = home / "records"
    tree = str(full.mirror.tree)
    built = _built(answer, layout)
    fresh = _read(records, {file.stem for file in _since(records, start)}, tree)
    units = {**fresh, **learned.units}
    sources = dict(learned.sources)
    for name in fresh.keys() - learned.units.keys():
        info = _dep_info(fresh[name], full, start)
        if info is not None:
            sources[name] = info
    unknown = _unknown(layout, units, set(fresh) | built, built)
    return replace(learned, units=units, sources=sources, unknown=unknown)


def save_learned(learned: Learned, file: Path) -> None:
    """Write `learned` so that `load_learned` finds all of it or nothing."""
    record = {
        "format": FORMAT,
        "config": learned.config,
        "compiler": learned.compiler,
        "units": {name: unit_as_json(unit) for name, unit in learned.units.items()},
        "unknown": [[u.package, u.source, u.test, u.library] for u in learned.unknown],
        "kept": [str(learned.kept.folder), learned.kept.crates, learned.kept.moved],
        "versions": learned.versions,
        "fixed": sorted(learned.fixed),
        "broken": learned.broken,
        "sources": {name: sorted(found) for name, found in learned.sources.items()},
        "results": {name: result_as_json(found) for name, found in learned.results.items()},
    }
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(record), "utf-8")
    temporary.replace(file)


def load_learned(file: Path) -> Learned | None:
    """Read what `save_learned` wrote; None when it is missing, damaged or of another format."""
    try:
        record = json.loads(file.read_text("utf-8"))
        if record["format"] != FORMAT:
            return None
        folder, crates, moved = record["kept"]
        return Learned(
            config=record["config"],
            compiler=record["compiler"],
            units={name: unit_from_json(found) for name, found in record["units"].items()},
            unknown=tuple(Unknown(*found) for found in record["unknown"]),
            kept=Kept(Path(folder), crates, moved),
            versions=record["versions"],
            fixed=frozenset(record["fixed"]),
            broken=bool(record["broken"]),
            sources={name: frozenset(found) for name, found in record["sources"].items()},
            results={name: result_from_json(it) for name, it in record["results"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def result_as_json(result: Result) -> Any:
    """Return what `result_from_json` reads."""
    sources = None if result.sources is None else sorted(result.sources)
    return [result.ok, result.lines, sources]


def result_from_json(record: Any) -> Result:
    """Read what `result_as_json` wrote."""
    ok, lines, sources = record
    return Result(bool(ok), tuple(lines), None if sources is None else frozenset(sources))


def _built(answer: CargoAnswer, layout: Layout) -> set[str]:
    """Names of the members' units that compile, whether cargo ran rustc or knew them."""
    members = {str(package.folder / "Cargo.toml") for package in layout.packages}
    names: set[str] = set()
    for message in answer.messages:
        if message.get("reason") == "compiler-artifact" and message["manifest_path"] in members:
            files = message["filenames"]
            if "custom-build" in message["target"]["kind"]:
                crate = message["target"]["name"].replace("-", "_")
                suffix = Path(files[0]).parent.name.rpartition("-")[2]
                names.add(f"{crate}-{suffix}")
            else:
                names.add(stem_of(files[0]))
    return names


def _is_broken(
    answer: CargoAnswer, layout: Layout, units: Mapping[str, Unit], built: set[str]
) -> bool:
    """Whether something does not compile that is run by the build, or lies outside the members."""
    members = {str(package.folder / "Cargo.toml") for package in layout.packages}
    outside = any(
        message.get("reason") == "compiler-message"
        and message["manifest_path"] not in members
        and message["message"]["level"].startswith("error")
        for message in answer.messages
    )
    return outside or any(unit.hard and name not in built for name, unit in units.items())


def _keep(answer: CargoAnswer, full: FullCheck, folder: Path) -> Kept:
    """Put aside what was built of packages that the user may change."""
    generation = folder / uuid.uuid4().hex[:12]
    generation.mkdir(parents=True)
    crates: dict[str, str] = {}
    moved: dict[str, str] = {}
    for message in answer.messages:
        if not message.get("package_id", "").startswith("path+"):
            continue
        if message["reason"] == "compiler-artifact":
            for name in message["filenames"]:
                source = Path(name)
                if source.suffix in (".rmeta", ".so", ".dylib") and source.is_file():
                    place = generation / source.name
                    _link(source, place)
                    crates[stem_of(name)] = str(place)
        elif message["reason"] == "build-script-executed" and message.get("out_dir"):
            out = Path(message["out_dir"])
            place = generation / out.parent.name
            with contextlib.suppress(OSError):
                shutil.copytree(out, place, symlinks=True)
                moved[str(out)] = str(place)
    generations = sorted(folder.iterdir(), key=lambda found: found.stat().st_mtime)
    for old in generations[:-GENERATIONS]:
        shutil.rmtree(old, ignore_errors=True)
    return Kept(generation, crates, moved)


def _link(source: Path, place: Path) -> None:
    """Metadata is replaced by a new file and can be linked; a linker may write into its own."""
    if source.suffix == ".rmeta":
        with contextlib.suppress(OSError):
            os.link(source, place)
            return
    shutil.copy(source, place)


def _watched(answer: CargoAnswer, full: FullCheck) -> Iterable[str]:
    """Files and folders that build scripts say they read."""
    packages = {
        message["package_id"]: Path(message["manifest_path"]).parent
        for message in answer.messages
        if message.get("reason") == "compiler-artifact"
    }
    for message in answer.messages:
        if message.get("reason") != "build-script-executed" or not message.get("out_dir"):
            continue
        if not message["package_id"].startswith("path+"):
            continue
        said = Path(message["out_dir"]).parent / "output"
        with contextlib.suppress(OSError):
            for line in said.read_text("utf-8", errors="replace").splitlines():
                key, _, value = line.partition("=")
                if key in ("cargo:rerun-if-changed", "cargo::rerun-if-changed"):
                    package = packages.get(message["package_id"], Path("/"))
                    path = value.strip().replace(str(full.mirror.tree), "")
                    yield os.path.normpath(package / path)


def _results(
    answer: CargoAnswer,
    units: Mapping[str, Unit],
    infos: Mapping[str, frozenset[str] | None],
    seen: set[str],
    built: set[str],
) -> dict[str, Result]:
    """What cargo's messages say about single units.

    Cargo names the target of a message, which may be two units (a library and its tests). Where
    it cannot be told whose it is, there is no result.
    """
    said: dict[str, list[str]] = {}
    for message in answer.messages:
        if message.get("reason") == "compiler-message":
            found = {"$message_type": "diagnostic", **message["message"]}
            said.setdefault(message["target"]["src_path"], []).append(json.dumps(found))
    results: dict[str, Result] = {}
    for name in seen & units.keys():
        source = units[name].source
        lines = said.get(source, [])
        if lines and sum(other.source == source for other in units.values()) > 1:
            continue
        if lines or name in built:
            results[name] = Result(name in built, tuple(lines), infos[name])
    return results


def _unknown(
    layout: Layout, units: Mapping[str, Unit], seen: set[str], built: set[str]
) -> tuple[Unknown, ...]:
    """Targets without a call of rustc. There are none when nothing kept cargo from one."""
    libraries = {
        str(target.source)
        for package in layout.packages
        for target in package.targets
        if LIBRARIES.intersection(target.kinds) or "custom-build" in target.kinds
    }
    failed = [units[name] for name in seen - built if name in units]
    if not any(unit.source in libraries and not unit.test for unit in failed):
        return ()
    known = {(unit.source, unit.test) for unit in units.values()}
    sources = {unit.source for unit in units.values()}
    unknown: list[Unknown] = []
    for package in layout.packages:
        for target in package.targets:
            source = str(target.source)
            place = (str(package.folder), source)
            library = bool(LIBRARIES.intersection(target.kinds))
            if "custom-build" in target.kinds:
                continue
            if "test" in target.kinds or "bench" in target.kinds:
                if source not in sources:
                    unknown.append(Unknown(*place, True, False))
                continue
            if (source, False) not in known:
                unknown.append(Unknown(*place, False, library))
            if target.test and (source, True) not in known:
                unknown.append(Unknown(*place, True, False))
    return tuple(unknown)


def _dep_info(unit: Unit, full: FullCheck, since: int) -> frozenset[str] | None:
    file = Path(unit.out_dir) / f"{unit.name}.d"
    with contextlib.suppress(OSError):
        if file.stat().st_mtime_ns >= since:
            return dep_info_sources(file, unit.cwd, str(full.mirror.tree), [str(full.target_dir)])
    return None


def _read(records: Path, names: Iterable[str], tree: str) -> dict[str, Unit]:
    found = {name: read_unit(records / f"{name}.json", tree) for name in names}
    return {name: unit for name, unit in found.items() if unit is not None}


def _stamps(records: Path) -> dict[str, int]:
    if not records.is_dir():
        return {}
    return {file.stem: file.stat().st_mtime_ns for file in records.glob("*.json")}


def _changed(before: Mapping[str, int], after: Mapping[str, int]) -> set[str]:
    return {name for name, stamp in after.items() if before.get(name) != stamp}


def _since(records: Path, start: int) -> list[Path]:
    return [file for file in records.glob("*.json") if file.stat().st_mtime_ns >= start]


def _forget(target_dir: Path, name: str) -> None:
    """Make cargo call rustc again for a unit whose record is lost."""
    suffix = name.rpartition("-")[2]
    for pattern in ("*", "*/*"):
        for folder in target_dir.glob(f"{pattern}/.fingerprint/*-{suffix}"):
            shutil.rmtree(folder, ignore_errors=True)


def _compiler(units: Iterable[Unit]) -> str:
    """What changes when the compiler is replaced."""
    stamps = []
    for name in sorted({unit.argv[0] for unit in units}):
        with contextlib.suppress(OSError):
            stat = Path(name).stat()
            stamps.append(f"{name},{stat.st_mtime_ns},{stat.st_size},{stat.st_ino}")
    return ";".join(stamps)
