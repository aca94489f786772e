"""Take small function bodies out of real crates and see whether they come back.

    python benchmarks/rewrite.py FOLDER --functions 120 --json rewrite.json

FOLDER holds unpacked crates, one a folder; those that rustc compiles without cargo's help are
used. Every offer has passed rustc; `same` is equality with the original up to white space.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import statistics
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tree_sitter import Node

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.core.programs import load_crate, program_of

from m31r_core.bundle import load_bundle
from m31r_core.cargo import Deadline
from m31r_core.engine import Completer, Engine
from m31r_core.repair.rewrite import find_rewrites
from m31r_core.repair.search import RepairLimits
from m31r_core.repair.source import SourceText, field

MOST_STATEMENTS = 3
WRONG = b"{ let m31r: () = 1u8; loop {} }"


@dataclass(frozen=True)
class Hole:
    """A function of a crate whose body is taken out."""

    crate: str
    edition: str
    path: str
    name: str
    start: int
    end: int
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What was offered for a hole; `first_s` is None where nothing was."""

    crate: str
    name: str
    body: str
    offers: tuple[str, ...]
    sources: tuple[str, ...]
    first_same: bool
    any_same: bool
    first_s: float | None


def main() -> int:
    arguments = _parser().parse_args()
    completer = None
    if arguments.model is not None:
        completer = Completer(Engine.load(load_bundle(arguments.model)))
    holes = _holes(arguments.folder, arguments.functions, arguments.per_crate, arguments.seed)
    settings: dict[str, Completer | None] = {"templates": None}
    if completer is not None:
        settings["with the model"] = completer
    answers: dict[str, list[Answer]] = {name: [] for name in settings}
    for files, hole in holes:
        for name, model in settings.items():
            answers[name].append(_fill(files, hole, model, arguments.seconds))
    rows = [_row(name, found) for name, found in answers.items()]
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(width=120).print(table)
    if arguments.json:
        machine = {"cpus": os.cpu_count(), "system": platform.platform(), "seed": arguments.seed}
        each = {name: [asdict(answer) for answer in found] for name, found in answers.items()}
        document = {"machine": machine, "rows": rows, "ratios": {}, "answers": each}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


def _row(name: str, answers: list[Answer]) -> dict[str, object]:
    times = [answer.first_s for answer in answers if answer.first_s is not None]
    return {
        "candidates": name,
        "functions": len(answers),
        "crates": len({answer.crate for answer in answers}),
        "offered": sum(bool(answer.offers) for answer in answers),
        "first same": sum(answer.first_same for answer in answers),
        "any same": sum(answer.any_same for answer in answers),
        "by the model": sum("model" in answer.sources for answer in answers),
        "seconds to first": round(statistics.median(times), 2) if times else None,
    }


def _fill(
    files: dict[str, bytes], hole: Hole, completer: Completer | None, seconds: float
) -> Answer:
    text = files[hole.path]
    open_text = text[: hole.start] + b"{ todo!() }" + text[hole.end :]
    offers, sources, first_s = [], [], None
    with program_of({**files, hole.path: open_text}, hole.edition) as program:
        limits = RepairLimits(seconds=seconds)
        for fix in find_rewrites(program, hole.path, hole.start + 2, limits, completer=completer):
            first_s = fix.seconds if first_s is None else first_s
            offers.append(fix.edits[0].text)
            sources.append(fix.source)
    wanted = _bare(hole.body.decode())
    same = [_bare(offer) == wanted for offer in offers]
    return Answer(
        hole.crate,
        hole.name,
        hole.body.decode(),
        tuple(offers),
        tuple(sources),
        bool(same) and same[0],
        any(same),
        first_s,
    )


def _bare(text: str) -> str:
    """Return a body without white space, comments and what rustfmt adds or leaves out."""
    text = re.sub(r"//[^\n]*|\s", "", text)
    return re.sub(r",(?=[)}\]])", "", text)


def _holes(
    folder: Path, count: int, per_crate: int, seed: int
) -> Iterator[tuple[dict[str, bytes], Hole]]:
    """Yield functions with their crate's files, some of each crate, the same for a seed."""
    chance = random.Random(seed)
    crates = sorted(path for path in folder.iterdir() if path.is_dir())
    chance.shuffle(crates)
    left = count
    for crate in crates:
        loaded = load_crate(crate)
        if loaded is None:
            continue
        edition, files = loaded
        holes = [
            Hole(crate.name, edition, path, *found)
            for path, text in sorted(files.items())
            for found in _small_functions(SourceText(path, text))
        ]
        chance.shuffle(holes)
        taken = 0
        for hole in holes:
            if taken < per_crate and left and _is_compiled(files, hole):
                taken, left = taken + 1, left - 1
                yield files, hole
        if not left:
            return


def _small_functions(source: SourceText) -> Iterator[tuple[str, int, int, bytes]]:
    for node in source.walk("function_item"):
        body = field(node, "body")
        if body is None or _in_macro(node):
            continue
        statements = [child for child in body.named_children if "comment" not in child.type]
        text = source.text[body.start_byte : body.end_byte]
        if 1 <= len(statements) <= MOST_STATEMENTS and not re.search(rb"\bunsafe\b|todo!", text):
            name = source.of(field(node, "name") or node)
            yield name, body.start_byte, body.end_byte, text


def _in_macro(node: Node) -> bool:
    parent = node.parent
    while parent is not None and parent.type not in ("macro_invocation", "macro_definition"):
        parent = parent.parent
    return parent is not None


def _is_compiled(files: dict[str, bytes], hole: Hole) -> bool:
    """Whether rustc looks at the function: not for tests, not for another platform."""
    text = files[hole.path]
    wrong = text[: hole.start] + WRONG + text[hole.end :]
    with program_of(files, hole.edition) as program:
        return not program.check({hole.path: wrong}, Deadline(60)).passed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("folder", type=Path, help="folder of unpacked crates")
    parser.add_argument("--functions", type=int, default=120, help="functions in all")
    parser.add_argument("--per-crate", type=int, default=4, help="functions of one crate")
    parser.add_argument("--model", type=Path, help="a bundle; without it templates alone")
    parser.add_argument("--seconds", type=float, default=10.0, help="for one function")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the numbers here")
    return parser


class _Raw(argparse.RawDescriptionHelpFormatter):
    pass


if __name__ == "__main__":
    sys.exit(main())
