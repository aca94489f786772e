"""All task files of a set of crates, in one go."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from m31r_core.errors import M31RError
from m31r_core.shards import TokenDataset
from m31r_core.tokenizer import Tokenizer
from m31r_eval.building import first_bytes, last_bytes
from m31r_eval.crates import CratePool
from m31r_eval.measures import length_of
from m31r_eval.settings import SuiteSettings, TaskSettings
from m31r_eval.suites import cutting
from m31r_eval.suites.choosing import in_turns, unlike
from m31r_eval.suites.code import LARGEST, Crate, SourceFile, offsets, read_crate
from m31r_eval.suites.cutting import Cut
from m31r_eval.suites.probing import ProbeSetup, compiled
from m31r_eval.suites.repairs import choose_broken, read_broken
from m31r_eval.suites.training import AROUND, Training
from m31r_eval.tasks import CompleteTask, Task, write_tasks

_SPARE = 2.0
"""Tasks that are probed for each that is wanted: some places are not compiled."""


@dataclass(frozen=True)
class Sources:
    """What tasks are made of: the crates, what training has seen, and repair pairs."""

    pool: CratePool
    training: Path | None
    pairs: Path | None


def build_suites(
    sources: Sources,
    settings: SuiteSettings,
    windows: TaskSettings,
    *,
    out: Path,
    seed: int,
    workers: int,
) -> dict[str, int]:
    """Write `KIND.jsonl.xz` for every kind into `out`; return how many tasks each has.

    Raises M31RError for a crate that training has seen, or that does not compile here.
    """
    crates = [read_crate(sources.pool.source / name) for name in settings.crates]
    training = Training(sources.training) if sources.training else None
    if training is not None:
        for crate in crates:
            if training.has_package(crate.package):
                raise M31RError(f"{crate.folder}: trained on; it cannot be evaluated with")
    written: dict[str, int] = {}
    chosen = {kind: _choose(kind, crates, settings.count(kind), windows, seed) for kind in KINDS}
    chosen = _unseen(chosen, crates, training)
    for kind, cuts in chosen.items():
        tasks = [_task(cut, kind, windows) for cut in cuts]
        passed = {
            task.id
            for task in compiled(tasks, ProbeSetup(sources.pool, settings.check_s), workers=workers)
        }
        kept = [task for task in tasks if task.id in passed][: settings.count(kind)]
        random.Random(f"{seed}:{kind}").shuffle(kept)
        written[kind] = _write(out, kind, kept, crates, settings, training, seed)
    if sources.pairs is not None:
        broken = list(read_broken(sources.pairs, crates))
        for kind, ownership in (("repair", False), ("ownership", True)):
            chance = random.Random(f"{seed}:{kind}")
            repairs = choose_broken(broken, settings.count(kind), chance, ownership=ownership)
            written[kind] = _write(out, kind, repairs, crates, settings, training, seed)
    return written


def _all(
    cut_file: Callable[..., Iterator[Cut]],
) -> Callable[[Sequence[Crate], random.Random, TaskSettings], Iterator[Cut]]:
    def of(crates: Sequence[Crate], chance: random.Random, settings: TaskSettings) -> Iterator[Cut]:
        for crate in crates:
            for file in crate.files:
                yield from cut_file(file)

    return of


def _lines(crates: Sequence[Crate], chance: random.Random, settings: TaskSettings) -> Iterator[Cut]:
    for crate in crates:
        for file in crate.files:
            yield from cutting.lines(file, chance, settings)


def _needing(
    crates: Sequence[Crate], chance: random.Random, settings: TaskSettings
) -> Iterator[Cut]:
    for crate in crates:
        yield from cutting.needing(crate.files)


KINDS: Mapping[str, Callable[[Sequence[Crate], random.Random, TaskSettings], Iterator[Cut]]] = {
    "line": _lines,
    "token": _all(cutting.tokens),
    "block": _all(cutting.blocks),
    "body": _all(cutting.bodies),
    "api": _all(cutting.uses),
    "context": _needing,
}
"""The kinds of completion tasks, and what finds the places for them."""


def _choose(
    kind: str, crates: Sequence[Crate], count: int, settings: TaskSettings, seed: int
) -> list[Cut]:
    """Return more cuts than are wanted, crates and lengths in turns, no two alike."""
    chance = random.Random(f"{seed}:{kind}:cuts")
    cuts = [
        cut for cut in KINDS[kind](crates, chance, settings) if not cut.file.leaves_out(cut.start)
    ]
    turns = in_turns(
        cuts,
        [
            lambda cut: cut.file.folder,
            lambda cut: length_of(cut.middle),
            lambda cut: cut.file.path,
        ],
        chance,
    )
    alike = unlike(turns, lambda cut: cut.middle)
    apart = unlike(alike, lambda cut: (cut.file.folder, cut.file.path, _line(cut)))
    return [cut for cut, _ in zip(apart, range(int(_SPARE * count)), strict=False)]


def cut_dataset(
    dataset: TokenDataset,
    tokenizer: Tokenizer,
    kind: str,
    *,
    count: int,
    seed: int,
    windows: TaskSettings,
) -> list[CompleteTask]:
    """Return `count` tasks of `kind` of a dataset split, or as many as it has, shuffled.

    Packages and lengths come in turns. Nothing says whether rustc would look there.
    """
    files: dict[str, list[SourceFile]] = {}
    for i in range(len(dataset)):
        record = dataset.record(i)
        source = tokenizer.decode(dataset.document(i).tolist()).encode()
        if len(source) <= LARGEST:
            file = SourceFile(record.package or "-", record.path, source)
            files.setdefault(file.folder, []).append(file)
    crates = [
        Crate(package, package, "", "", "2021", tuple(found))
        for package, found in sorted(files.items())
    ]
    cuts = _choose(kind, crates, count, windows, seed)[:count]
    random.Random(f"{seed}:{kind}").shuffle(cuts)
    return [_task(cut, kind, windows) for cut in cuts]


def _line(cut: Cut) -> int:
    return cut.file.source.count(b"\n", 0, cut.start)


def _unseen(
    chosen: Mapping[str, list[Cut]], crates: Sequence[Crate], training: Training | None
) -> dict[str, list[Cut]]:
    """Leave out what training has seen, whole files or the tokens around the cursor."""
    if training is None:
        return dict(chosen)
    hashes: dict[tuple[str, str, int], int | None] = {}
    for crate in crates:
        for file in crate.files:
            starts = sorted(
                {cut.start for cuts in chosen.values() for cut in cuts if cut.file is file}
            )
            if starts:
                found = training.windows(file.text, offsets(file.text, starts))
                keys = ((file.folder, file.path, start) for start in starts)
                hashes.update(zip(keys, found, strict=True))
    seen = training.seen(value for value in hashes.values() if value is not None)

    def is_new(cut: Cut) -> bool:
        window = hashes[cut.file.folder, cut.file.path, cut.start]
        return window not in seen and not training.has_file(cut.file.sha256)

    return {kind: [cut for cut in cuts if is_new(cut)] for kind, cuts in chosen.items()}


def _task(cut: Cut, kind: str, settings: TaskSettings) -> CompleteTask:
    before = cut.file.source[: cut.start].decode()
    after = cut.file.source[cut.end :].decode()
    return CompleteTask(
        id=f"{kind}-{cut.file.sha256[:12]}-{cut.start}",
        path=cut.file.path
        if cut.file.path.startswith(f"{cut.file.folder}/")
        else f"{cut.file.folder}/{cut.file.path}",
        prefix=last_bytes(before, settings.prefix_bytes),
        suffix=first_bytes(after, settings.suffix_bytes),
        middle=cut.middle,
        kind=cut.kind,
        context=cut.context,
    )


def _write(
    out: Path,
    kind: str,
    tasks: Sequence[Task],
    crates: Sequence[Crate],
    settings: SuiteSettings,
    training: Training | None,
    seed: int,
) -> int:
    if not tasks:
        return 0
    header: dict[str, Any] = {
        "kind": kind,
        "n": len(tasks),
        "seed": seed,
        "crates": {crate.folder: crate.licence for crate in crates},
        "unseen": None
        if training is None
        else f"no package, file or {2 * AROUND} tokens around a cursor stand in the training split",
        "settings": {key: value for key, value in asdict(settings).items() if key != "crates"},
    }
    write_tasks(out / f"{kind}.jsonl.xz", tasks, header)
    return len(tasks)
