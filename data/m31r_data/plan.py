"""What a build has to do: its units, the keys of their results, and the ranks that make them.

The plan is made before the first stage starts and written to the work folder; every rank of every
stage, on whatever machine, reads it from there.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from m31r_core.cargo.toolchain import find_toolchain
from m31r_core.errors import M31RError
from m31r_data.config import DataConfig
from m31r_data.readers import list_units
from m31r_data.store import Store, code_key, key_of
from m31r_data.units import Unit

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_PLAN = "plan.json"
# How much a rank of a stage over units is given, in units of full size: seconds of work.
_UNITS_PER_RANK = 3
_CRATES_PER_RANK = 4

_LISTS = ("prepared", "encoded", "compiled", "repaired")
_PREPARE_CODE = (
    "document",
    "readers",
    "licences",
    "filters",
    "normalise",
    "decontaminate",
    "common_words.txt",
    "secrets",
    "dedup",
    "stages/prepare",
)
_ENCODE_CODE = ("derive", "records", "slices", "stages/encode")


@dataclass(frozen=True)
class Stores:
    """The folders of a build under its work folder."""

    work: Path

    def _store(self, stage: str) -> Store:
        return Store(self.work / stage, stage, self.work / "journal.jsonl")

    @property
    def prepared(self) -> Store:
        """Documents and sketches by unit."""
        return self._store("prepare")

    @property
    def candidates(self) -> Store:
        """Candidates for near-duplicates by band."""
        return self._store("candidates")

    @property
    def duplicates(self) -> Store:
        """Which documents are duplicates, one result for all units."""
        return self._store("duplicates")

    @property
    def compiled(self) -> Store:
        """What the compiler says, by crate."""
        return self._store("compile")

    @property
    def repaired(self) -> Store:
        """Repair pairs by crate."""
        return self._store("repair")

    @property
    def selected(self) -> Store:
        """Which repair pairs are kept, one result for all crates."""
        return self._store("select")

    @property
    def encoded(self) -> Store:
        """Token ids by unit."""
        return self._store("encode")

    @property
    def assembled(self) -> Store:
        """Shards by bucket."""
        return self._store("assemble")


@dataclass(frozen=True)
class Plan:
    """Keys are in the order of `units`; `batches` holds unit numbers by stage and rank."""

    units: tuple[Unit, ...]
    prepared: tuple[str, ...]
    encoded: tuple[str, ...]
    compiled: tuple[str, ...]
    repaired: tuple[str, ...]
    duplicates: str
    selected: str
    build: str
    batches: dict[str, list[list[int]]] = field(default_factory=dict)

    @cached_property
    def crates(self) -> list[int]:
        """The units that are whole crates in folders: what the compiler can be asked about."""
        return [i for i, unit in enumerate(self.units) if unit.reader == "crates"]


def crates_to_break(plan: Plan, config: DataConfig) -> list[int]:
    """Return the crates that repair pairs are made of: `repair.crate_share` of them, by name."""
    if not (config.compile.enabled and config.repair.enabled):
        return []
    names = {number: plan.units[number].name for number in plan.crates}
    share = config.repair.crate_share
    return [
        number
        for number, name in names.items()
        if int(key_of("break", name, config.seed)[:8], 16) < share * 2**32
    ]


def work_folder(config: DataConfig) -> Path:
    """Return where the build keeps its results."""
    return config.work or config.output.with_name(f"{config.output.name}.work")


def make_plan(config: DataConfig, *, encode: bool = True) -> Plan:
    """List the units of all sources and name every result that the dataset is made of.

    Without `encode`, no tokenizer is needed and nothing is planned behind deduplication. Raises
    M31RError naming a source or tokenizer that cannot be read.
    """
    work = work_folder(config)
    units = tuple(list_units(config.sources, work / "spool", config.unit_bytes, config.archives))
    _must_differ(units)
    prepared = _prepared_keys(units, config)
    compiled = _compiled_keys(units, config)
    duplicates = key_of("duplicates", prepared, _options(config.dedup))
    breaking = _options(config.repair, "crate_share", "max_code_share", "min_borrow_share")
    repair = (breaking, config.seed, code_key("mutate", "compile"))
    repaired = tuple(key_of("repair", key, *repair) for key in compiled)
    selected = key_of("select", duplicates, repaired, _options(config.repair), config.seed)
    encoded = _encoded_keys(prepared, config) if encode else ()
    options = shaping_options(config)
    code = code_key("plan", "records", "stages/assemble", "stages/finish")
    build = key_of("build", duplicates, encoded, compiled, selected, options, code)
    plan = Plan(units, prepared, encoded, compiled, repaired, duplicates, selected, build)
    return dataclasses.replace(plan, batches=_missing(plan, config))


def shaping_options(config: DataConfig) -> dict[str, Any]:
    """Return the options that shape the dataset: not where things lie, nor how the stages run."""
    options = _options(config, "sources", "output", "work", "tokenizer_file", "slurm")
    options["decontaminate"] = {
        **_options(config.decontaminate),
        "tasks": [path.name for path in config.decontaminate.tasks],
    }
    options["compile"] = {**_options(config.compile), "vendor": bool(config.compile.vendor)}
    return options


def save_plan(plan: Plan, config: DataConfig) -> None:
    """Write the plan to the work folder, where `load_plan` finds it."""
    path = work_folder(config) / _PLAN
    path.parent.mkdir(parents=True, exist_ok=True)
    content = dataclasses.asdict(plan)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, default=str), encoding="utf-8")
    partial.replace(path)


def load_plan(config: DataConfig) -> Plan:
    """Return the plan that `save_plan` wrote. Raises M31RError when there is none."""
    path = work_folder(config) / _PLAN
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise M31RError(f"{path}: no plan of a build ({error})") from error
    units = tuple(Unit(**{**unit, "path": Path(unit["path"])}) for unit in content.pop("units"))
    lists: dict[str, Any] = {name: tuple(content.pop(name)) for name in _LISTS}
    return Plan(units=units, **lists, **content)


def _must_differ(units: Sequence[Unit]) -> None:
    seen: set[tuple[int, str]] = set()
    for unit in units:
        if (unit.source, unit.name) in seen:
            raise M31RError(f"{unit.path}: a second unit of its source is named {unit.name}")
        seen.add((unit.source, unit.name))


def _prepared_keys(units: Sequence[Unit], config: DataConfig) -> tuple[str, ...]:
    tasks = [_content(path) for path in config.decontaminate.tasks]
    common = key_of(
        _options(config.archives),
        _options(config.filters),
        config.decontaminate.tokens,
        tasks,
        _options(config.dedup),
        code_key(*_PREPARE_CODE),
    )
    keys = []
    for unit in units:
        source = _options(config.sources[unit.source], "path")
        place = (unit.name, unit.reader, unit.fingerprint, unit.start, unit.end)
        keys.append(key_of("prepare", common, source, place))
    return tuple(keys)


def _compiled_keys(units: Sequence[Unit], config: DataConfig) -> tuple[str, ...]:
    if not config.compile.enabled:
        return tuple(key_of("compile", "off") for _ in units)
    vendor = config.compile.vendor
    listing = sorted(path.name for path in vendor.iterdir()) if vendor else []
    version = find_toolchain().version
    options = _options(config.compile, "vendor", "crates_together")
    common = key_of(options, listing, version, code_key("compile"))
    return tuple(key_of("compile", common, unit.name, unit.fingerprint) for unit in units)


def _encoded_keys(prepared: Sequence[str], config: DataConfig) -> tuple[str, ...]:
    common = key_of(
        _content(config.tokenizer_file),
        _options(config.derive),
        config.buckets,
        config.seed,
        code_key(*_ENCODE_CODE),
    )
    return tuple(key_of("encode", key, common) for key in prepared)


def _missing(plan: Plan, config: DataConfig) -> dict[str, list[list[int]]]:
    stores = Stores(work_folder(config))
    rank_bytes = _UNITS_PER_RANK * config.unit_bytes

    def lacking(keys: Sequence[str], store: Store, among: Iterable[int]) -> list[int]:
        return [i for i in among if not store.has(keys[i])]

    everything = range(len(plan.units))
    crates = set(lacking(plan.compiled, stores.compiled, plan.crates))
    crates.update(lacking(plan.repaired, stores.repaired, crates_to_break(plan, config)))
    return {
        "prepare": _batches(
            plan.units, lacking(plan.prepared, stores.prepared, everything), rank_bytes
        ),
        "encode": _batches(
            plan.units,
            lacking(plan.encoded, stores.encoded, everything if plan.encoded else ()),
            rank_bytes,
        ),
        "crates": _chunks(
            sorted(crates) if config.compile.enabled else [],
            max(_CRATES_PER_RANK, config.compile.crates_together),
        ),
    }


def _batches(units: Sequence[Unit], numbers: Sequence[int], limit: int) -> list[list[int]]:
    """Cut `numbers` into runs of units that hold at most `limit` bytes, or one unit."""
    batches: list[list[int]] = []
    size = 0
    for number in numbers:
        if not batches or size + units[number].size > limit:
            batches.append([])
            size = 0
        batches[-1].append(number)
        size += units[number].size
    return batches


def _chunks(numbers: Sequence[int], length: int) -> list[list[int]]:
    return [list(numbers[i : i + length]) for i in range(0, len(numbers), length)]


def _options(config: DataclassInstance, *without: str) -> dict[str, object]:
    values = dataclasses.asdict(config)
    return {name: value for name, value in values.items() if name not in without}


def _content(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise M31RError(f"{path}: {error.strerror}") from error
