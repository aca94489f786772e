"""Break real crates in one place each: which fixes are offered, how soon, and do they hold?

    M31R_SHARED=../shared python benchmarks/repair.py --json repair.json

Each mutant is saved, as a user would have it; the fixes for its first error are those that a code
action would offer. Every one of them is applied and judged by plain `cargo check`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._machine import machine
from tests.core.mutants import ARCHIVE, CRATES, Mutant, PlainCargo, crate_of, mutants, unpack

from m31r_core.cargo import Deadline, Diagnostic, Workspace
from m31r_core.repair import RepairLimits, find_fixes, lay
from m31r_core.repair.candidates import Proposer, Ranker

DEADLINE_S = 120.0


@dataclass(frozen=True)
class Offer:
    """One fix. `original` says that it gives back the text that was broken."""

    title: str
    source: str
    cautions: tuple[str, ...]
    original: bool
    holds: bool


@dataclass(frozen=True)
class Case:
    """One mutant that does not compile, and what was offered for its first error."""

    crate: str
    kind: str
    code: str
    errors: int
    first_s: float | None
    offers: tuple[Offer, ...]


@dataclass(frozen=True)
class Row:
    """One crate; shares are of its mutants that do not compile, times are medians."""

    crate: str
    lines: int
    mutants: int
    fixed: float
    fixed_without_caution: float
    original_first: float
    original_among: float
    first_s: float
    offers: int
    refuted: int


def main() -> int:
    arguments = _parser().parse_args()
    if not ARCHIVE.is_file():
        raise SystemExit(f"repair.py: {ARCHIVE}: no such file; M31R_SHARED names its folder")
    limits = RepairLimits(seconds=arguments.seconds, checks=arguments.checks)
    rank, propose = _model(arguments.model) if arguments.model else (None, None)
    share, more = divmod(arguments.mutants, len(arguments.crates))
    cases: list[Case] = []
    lines: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["CARGO_HOME"] = str(unpack(folder))
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        for number, crate in enumerate(arguments.crates):
            count = share + (number < more)
            found, lines[crate] = measure(
                crate, folder, count, arguments, limits, rank=rank, propose=propose
            )
            cases += found
    rows = [_row(name, lines[name], [c for c in cases if c.crate == name]) for name in lines]
    rows.append(_row("all", sum(lines.values()), cases))
    _print(rows, cases)
    if arguments.json:
        report = {
            "machine": machine(),
            "rows": [asdict(row) for row in rows],
            "ratios": {},
            "cases": [asdict(case) for case in cases],
        }
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return int(any(row.refuted for row in rows))


def measure(
    name: str,
    folder: Path,
    count: int,
    arguments: argparse.Namespace,
    limits: RepairLimits,
    *,
    rank: Ranker | None,
    propose: Proposer | None,
) -> tuple[list[Case], int]:
    """Return the cases of one crate, and how many lines it has."""
    crate = crate_of(name, Path(os.environ["CARGO_HOME"]), folder / name)
    copy = shutil.copytree(crate, folder / f"{name}-plain")
    cargo = PlainCargo(copy, folder / "plain-target" / name)
    workspace = Workspace(crate)
    workspace.snapshot({}, Deadline(DEADLINE_S))
    cases: list[Case] = []
    chosen = iter(mutants(crate, 6 * count, arguments.seed))
    for _ in track(range(count), name, console=Console(stderr=True)):
        case = None
        while case is None and (mutant := next(chosen, None)) is not None:
            case = _case(workspace, crate, cargo, mutant, limits, arguments.offers, rank, propose)
        if case is not None:
            cases.append(case)
    workspace.close()
    sources = (crate / "src").rglob("*.rs")
    return cases, sum(file.read_bytes().count(b"\n") for file in sources)


def _case(
    workspace: Workspace,
    crate: Path,
    cargo: PlainCargo,
    mutant: Mutant,
    limits: RepairLimits,
    most: int,
    rank: Ranker | None,
    propose: Proposer | None,
) -> Case | None:
    file = crate / mutant.path
    original = file.read_bytes()
    file.write_bytes(mutant.text)
    try:
        start = time.perf_counter()
        snapshot = workspace.snapshot({}, Deadline(DEADLINE_S))
        error = next((e for e in snapshot.errors if e.primary is not None), None)
        if error is None:
            return None
        offers: list[Offer] = []
        first: float | None = None
        for fix in find_fixes(snapshot, error, limits, rank=rank, propose=propose):
            first = first or time.perf_counter() - start
            after = lay(fix.edits, snapshot.text)
            left = cargo.errors({mutant.path: mutant.text, **after})
            offers.append(
                Offer(
                    fix.title,
                    fix.source,
                    tuple(sorted(fix.cautions)),
                    after == {mutant.path: original},
                    _holds(snapshot.errors, left, error),
                )
            )
            if len(offers) >= most:
                break
        return Case(
            crate.name,
            mutant.kind,
            error.code or "syntax",
            len(snapshot.errors),
            first,
            tuple(offers),
        )
    finally:
        file.write_bytes(original)


def _holds(before: Sequence[Diagnostic], after: Sequence[Diagnostic], error: Diagnostic) -> bool:
    """Whether plain cargo finds the error gone and none that was not there."""
    old = Counter(each.identity for each in before)
    new = Counter(each.identity for each in after)
    return not new - old and new[error.identity] < old[error.identity]


def _model(path: Path) -> tuple[Ranker, Proposer | None]:
    from m31r_core.bundle import load_bundle
    from m31r_core.engine import Completer, Engine
    from m31r_core.repair.ranking import model_ranker

    completer = Completer(Engine.load(load_bundle(path)))
    return model_ranker(completer), None


def _row(name: str, lines: int, cases: Sequence[Case]) -> Row:
    def share(test: list[bool]) -> float:
        return round(sum(test) / len(test), 3) if test else 0.0

    times = [case.first_s for case in cases if case.first_s is not None]
    offers = [offer for case in cases for offer in case.offers]
    return Row(
        crate=name,
        lines=lines,
        mutants=len(cases),
        fixed=share([bool(case.offers) for case in cases]),
        fixed_without_caution=share([any(not o.cautions for o in c.offers) for c in cases]),
        original_first=share([bool(c.offers) and c.offers[0].original for c in cases]),
        original_among=share([any(o.original for o in c.offers) for c in cases]),
        first_s=round(statistics.median(times), 2) if times else 0.0,
        offers=len(offers),
        refuted=sum(not offer.holds for offer in offers),
    )


def _print(rows: Sequence[Row], cases: Sequence[Case]) -> None:
    table = Table("crate", "lines", "mutants", "fixed", "no caution", "original 1st", "among")
    table.add_column("first s")
    table.add_column("offers")
    table.add_column("refuted")
    for row in rows:
        table.add_row(*(str(value) for value in asdict(row).values()))
    Console(width=110).print(table)
    codes = Counter(case.code for case in cases)
    for code, count in codes.most_common(15):
        chosen = [case for case in cases if case.code == code]
        print(
            f"{code}: {count} mutants, {sum(bool(c.offers) for c in chosen)} fixed, "
            f"{sum(any(o.original for o in c.offers) for c in chosen)} with the original text"
        )


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--mutants", type=int, default=300, help="of all crates together (300)")
    parser.add_argument("--offers", type=int, default=3, help="fixes asked for and tried (3)")
    parser.add_argument("--seconds", type=float, default=10.0, help="for one error (10)")
    parser.add_argument("--checks", type=int, default=24, help="candidates for one error (24)")
    parser.add_argument("--seed", type=int, default=0, help="chooses the mutants (0)")
    parser.add_argument("--model", type=Path, metavar="DIR", help="rank by this bundle's model")
    parser.add_argument("--crates", nargs="+", default=list(CRATES), choices=CRATES)
    return parser


if __name__ == "__main__":
    sys.exit(main())
