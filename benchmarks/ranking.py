"""Break real crates by one edit each and see how early the candidate that takes it back comes.

    python benchmarks/ranking.py FOLDER --model models/nano --mutants 200 --json ranking.json

FOLDER holds unpacked crates, one a folder; those that rustc compiles without cargo's help are
used. The numbers in `ranking.py` of m31r_core were fitted on crates of the half "fit" (an even
CRC-32 of the folder's name) with other mutants; "other" is the half to report.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import random
import statistics
import sys
import time
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.core.mutants import Mutant, mutants
from tests.core.programs import load_crate, program_of

from m31r_core.bundle import load_bundle
from m31r_core.cargo import CargoError, Compiler, Deadline, Diagnostic
from m31r_core.engine import Completer, Engine
from m31r_core.repair.candidates import Candidate, Ranker
from m31r_core.repair.edits import Edit, lay
from m31r_core.repair.problem import Problem
from m31r_core.repair.proposals import model_proposals
from m31r_core.repair.ranking import default_ranker, model_ranker
from m31r_core.repair.suggestions import from_rustc
from m31r_core.repair.templates import from_templates

MOST_CHECKED = 24


@dataclass(frozen=True)
class Result:
    """One mutant: places, from 0, of the candidate that takes it back; None where there is none.

    `repaired` says whether a template's candidate passes, None where it was not asked.
    """

    crate: str
    kind: str
    code: str | None
    candidates: int
    prior: int | None
    model: int | None
    model_ms: float
    repaired: bool | None
    proposed: int
    proposals_pass: int
    proposals_ms: float


def main() -> int:
    arguments = _parser().parse_args()
    completer = Completer(Engine.load(load_bundle(arguments.model)))
    results = _results(arguments, completer)
    rows = [_row("weights", [r.prior for r in results]), _row("model", [r.model for r in results])]
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    console = Console(width=120)
    console.print(table)
    left = [result for result in results if result.repaired is False]
    summary = {
        "mutants": len(results),
        "crates": len({result.crate for result in results}),
        "ranking_ms_median": _median([r.model_ms for r in results]),
        "proposals_ms_median": _median([r.proposals_ms for r in results if r.proposed]),
        "asked_for_proposals": sum(result.repaired is not None for result in results),
        "not_repaired_by_templates": len(left),
        "of_these_by_proposals": sum(bool(result.proposals_pass) for result in left),
    }
    console.print(summary)
    if arguments.json:
        machine = {"cpus": os.cpu_count(), "system": platform.platform(), "seed": arguments.seed}
        document = {"machine": machine, "rows": [*rows, summary], "ratios": {}}
        document["results"] = [asdict(result) for result in results]
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


def _row(name: str, places: list[int | None]) -> dict[str, object]:
    found = [place for place in places if place is not None]
    share = [(sum(place < k for place in found) / max(1, len(found))) for k in (1, 3)]
    return {
        "ranker": name,
        "with the original": len(found),
        "first": round(share[0], 3),
        "first three": round(share[1], 3),
        "reciprocal rank": round(sum(1 / (p + 1) for p in found) / max(1, len(found)), 3),
    }


def _results(arguments: argparse.Namespace, completer: Completer) -> list[Result]:
    crates = sorted(path for path in arguments.folder.iterdir() if path.is_dir())
    crates = [c for c in crates if zlib.crc32(c.name.encode()) % 2 == (arguments.half == "other")]
    random.Random(arguments.seed).shuffle(crates)
    left = arguments.mutants
    found: list[Result] = []
    for crate in crates:
        loaded = load_crate(crate)
        if loaded is None or left <= 0:
            continue
        edition, files = loaded
        taken = 0
        for mutant in mutants(crate, 4 * arguments.per_crate, arguments.seed):
            if taken >= min(arguments.per_crate, left):
                break
            asked = len(found) < arguments.proposals
            result = _judge(crate.name, edition, files, mutant, completer, proposals=asked)
            if result is not None:
                found.append(result)
                taken += 1
        left -= taken
    return found


def _judge(
    crate: str,
    edition: str,
    files: dict[str, bytes],
    mutant: Mutant,
    completer: Completer,
    *,
    proposals: bool,
) -> Result | None:
    """Rank the candidates for the first error of a mutant; None where it compiles."""
    with program_of({**files, mutant.path: mutant.text}, edition) as program:
        try:
            errors = [e for e in program.errors if e.primary and e.primary.path in files]
        except CargoError:
            return None
        if not errors:
            return None
        error = errors[0]
        candidates = _candidates(program, error)
        begin = time.perf_counter()
        by_model = _place(program, error, candidates, model_ranker(completer), files)
        model_ms = (time.perf_counter() - begin) * 1e3
        by_weight = _place(program, error, candidates, default_ranker, files)
        repaired, written, passing, proposals_ms = None, [], 0, 0.0
        if proposals:
            ranked = sorted(candidates, key=lambda each: -each.weight)[:MOST_CHECKED]
            repaired = any(_passes(program, error, each) for each in ranked)
            begin = time.perf_counter()
            written = model_proposals(completer, program, error, n=6)
            proposals_ms = (time.perf_counter() - begin) * 1e3
            passing = sum(_passes(program, error, each) for each in written)
    return Result(
        crate,
        mutant.kind,
        error.code,
        len(candidates),
        by_weight,
        by_model,
        model_ms,
        repaired,
        len(written),
        passing,
        proposals_ms,
    )


def _candidates(compiler: Compiler, error: Diagnostic) -> list[Candidate]:
    problem = Problem(error, compiler.text, tuple(compiler.paths()))
    unique: dict[tuple[Edit, ...], Candidate] = {}
    for candidate in itertools.chain(from_rustc(problem), from_templates(problem)):
        key = tuple(sorted(candidate.edits))
        if key and (key not in unique or unique[key].weight < candidate.weight):
            unique[key] = candidate
    return list(unique.values())


def _place(
    compiler: Compiler,
    error: Diagnostic,
    candidates: list[Candidate],
    rank: Ranker,
    files: dict[str, bytes],
) -> int | None:
    """Return where the first candidate that gives the original back stands."""
    scores = rank(compiler, error, candidates)
    order = sorted(
        range(len(candidates)), key=lambda i: -scores[i] + 2 * bool(candidates[i].cautions)
    )
    for place, i in enumerate(order):
        try:
            changed = lay(candidates[i].edits, compiler.text)
        except ValueError:
            continue
        texts = {path: changed.get(path, compiler.text(path)) for path in compiler.paths()}
        if all(text.split() == files[path].split() for path, text in texts.items()):
            return place
    return None


def _passes(compiler: Compiler, error: Diagnostic, candidate: Candidate) -> bool:
    try:
        verdict = compiler.check(lay(candidate.edits, compiler.text), Deadline(60))
    except (ValueError, CargoError):
        return False
    return verdict.passed and any(gone.identity == error.identity for gone in verdict.gone)


def _median(values: list[float]) -> float | None:
    return round(statistics.median(values), 1) if values else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("folder", type=Path, help="folder of unpacked crates")
    parser.add_argument("--model", type=Path, required=True, help="a bundle")
    parser.add_argument("--half", choices=("fit", "other"), default="other")
    parser.add_argument("--mutants", type=int, default=200, help="mutants in all")
    parser.add_argument("--per-crate", type=int, default=10, help="mutants of one crate")
    parser.add_argument("--proposals", type=int, default=60, help="mutants to check proposals on")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the numbers here")
    return parser


class _Raw(argparse.RawDescriptionHelpFormatter):
    pass


if __name__ == "__main__":
    sys.exit(main())
