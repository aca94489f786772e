"""Does rustc look at the place of a task at all? Code behind a `cfg` compiles whatever it says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from m31r_core.cargo.process import CargoError, Deadline
from m31r_eval.checking import place_of
from m31r_eval.crates import CratePool, OpenCrates, prepare
from m31r_eval.measures import crate_of
from m31r_eval.progress import track
from m31r_eval.tasks import CompleteTask
from m31r_eval.workers import work_on

NOBODY = "m31r_no_such_name"

_WORD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_KEYWORDS = frozenset(
    [
        "as",
        "async",
        "await",
        "break",
        "const",
        "continue",
        "crate",
        "dyn",
        "else",
        "enum",
        "extern",
        "false",
        "fn",
        "for",
        "if",
        "impl",
        "in",
        "let",
        "loop",
        "match",
        "mod",
        "move",
        "mut",
        "pub",
        "ref",
        "return",
        "self",
        "Self",
        "static",
        "struct",
        "super",
        "trait",
        "true",
        "type",
        "unsafe",
        "use",
        "where",
        "while",
    ]
)
_PROBES = 4


@dataclass(frozen=True)
class ProbeSetup:
    """What probing needs; it can be sent to another process."""

    pool: CratePool
    check_s: float


def compiled(
    tasks: Sequence[CompleteTask], setup: ProbeSetup, *, workers: int
) -> Iterator[CompleteTask]:
    """Yield the tasks whose place rustc compiles: a name that nobody has is an error there.

    In another order than they are given. Raises M31RError as `prepare`.
    """
    prepare(setup.pool, sorted({crate_of(task.path) for task in tasks}), workers=workers)
    ordered = sorted(tasks, key=lambda task: task.path)
    done = work_on(ordered, _open, setup, workers=workers, seconds=300)
    for each in track(done, "probes", len(ordered)):
        if each.result is True:
            yield each.task


def misnamed(text: str) -> Iterator[str]:
    """Yield `text` with one of its names, then another, replaced by one that nobody has."""
    found = [match for match in _WORD.finditer(text) if match.group() not in _KEYWORDS]
    # Names that are bound may be called anything; those that are used stand further back.
    for match in list(reversed(found))[:_PROBES]:
        yield text[: match.start()] + NOBODY + text[match.end() :]


def _open(setup: ProbeSetup) -> Callable[[CompleteTask], bool]:
    crates = OpenCrates(setup.pool, 2)

    def do(task: CompleteTask) -> bool:
        place = place_of(task, setup.pool)
        compiler = crates.get(place.folder, {})
        for text in misnamed(task.middle):
            try:
                changes = {place.path: place.with_text(text)}
                if not compiler.check(changes, Deadline(setup.check_s)).passed:
                    return True
            except CargoError:
                return False
        return False

    return do
