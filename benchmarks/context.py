"""What other files are worth at the cursor: exact match of lines with and without, per source.

    python benchmarks/context.py --crates eval/suites/crates.tar.xz --functions 200 --every 12
    python benchmarks/context.py --crates DIR --only similar-2.7.0 fst-0.4.7

Places are taken from functions of real crates, their bodies typed up to there. The same places are
asked about with each choice of sources: searched for copies (`searched`, as the server does), or
shown to the model (`prompt`). `recent` stands for the two files of the crate that are most like
this one, as the places where the user was. Intervals are from a paired bootstrap over functions.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._machine import machine
from benchmarks.ghost_text import Function, add_choice, functions, surroundings

from m31r_core.bundle import load_bundle, shipped_bundle
from m31r_core.engine import Completer, CompletionRequest, Engine
from m31r_eval.crates import unpack
from m31r_lsp import silence
from m31r_lsp.context.files import read, rust_files
from m31r_lsp.context.gather import SOURCES, Source
from m31r_lsp.context.surroundings import Surroundings
from m31r_lsp.context.words import names
from m31r_lsp.settings import CompletionSettings

_NEW_TOKENS = 32
_RESAMPLES = 1_000


@dataclass(frozen=True)
class Choice:
    """Sources, and whether they are searched for copies or shown in the prompt."""

    name: str
    sources: tuple[Source, ...]
    searched: bool = True
    shown: bool = False


CHOICES = (
    Choice("none", ()),
    *(Choice(source, (source,)) for source in SOURCES),
    Choice("all", SOURCES),
    Choice("all, in the prompt", SOURCES, searched=False, shown=True),
    Choice("all, both", SOURCES, shown=True),
)


def measure(crates: Path, chosen: Sequence[Function], every: int) -> list[dict[str, list[bool]]]:
    """Return for each function and choice whether the line was right at each place."""
    completer = Completer(Engine.load(load_bundle(shipped_bundle()), threads=1))
    return [_measure(completer, crates, each, every) for each in chosen]


def _measure(
    completer: Completer, crates: Path, function: Function, every: int
) -> dict[str, list[bool]]:
    settings = CompletionSettings()
    places = [
        at
        for at in list(function.places())[random.Random(function.name).randrange(every) :: every]
        if len(function.rest(at)) > 1
    ]
    found: dict[str, list[bool]] = {}
    for choice in CHOICES:
        alike = _alike(crates / function.crate, function) if "recent" in choice.sources else []
        crate = crates / function.crate
        with surroundings(crate, function, choice.sources, names=False) as known:
            for path, text in alike:
                known.edited(path, text, text.count("\n") // 2)
            found[choice.name] = [
                _is_right(completer, known, function, at, choice)
                for at in places
                if silence.at_cursor(settings, function.cursor(at)) is None
            ]
            for path, text in alike:
                known.closed(path, text)
    return found


def _is_right(
    completer: Completer, known: Surroundings, function: Function, at: int, choice: Choice
) -> bool:
    cursor = function.cursor(at)
    chunks = known.around(function.path, cursor)
    request = CompletionRequest(
        function.path, cursor.prefix, cursor.suffix, max_new_tokens=_NEW_TOKENS
    )
    if choice.searched:
        request = replace(request, searched=tuple(chunk.text for chunk in chunks))
    if choice.shown:
        request = replace(request, context=chunks[::-1])
    return completer.complete(request).text.rstrip() == function.rest(at)


def _alike(crate: Path, function: Function) -> list[tuple[str, str]]:
    own = set(names(function.before + function.after))
    others = []
    for file in rust_files(crate / "src"):
        path, text = file.relative_to(crate).as_posix(), read(file)
        if text is not None and path != function.path:
            theirs = set(names(text))
            others.append((len(own & theirs) / max(len(own | theirs), 1), path, text))
    return [(path, text) for _, path, text in sorted(others)[-2:]]


def rows(found: Sequence[dict[str, list[bool]]], seed: int = 0) -> list[dict[str, Any]]:
    """Return exact match for each choice, and its difference from none with an interval."""
    drawn = random.Random(seed)
    samples = [[drawn.randrange(len(found)) for _ in found] for _ in range(_RESAMPLES)]

    def share(name: str, which: Sequence[int]) -> float:
        answers = [each for i in which for each in found[i][name]]
        return sum(answers) / max(len(answers), 1)

    whole = range(len(found))
    table = []
    for choice in CHOICES:
        differences = sorted(share(choice.name, s) - share("none", s) for s in samples)
        table.append(
            {
                "choice": choice.name,
                "n": sum(len(each[choice.name]) for each in found),
                "exact_match": share(choice.name, whole),
                "difference": share(choice.name, whole) - share("none", whole),
                "low": differences[int(0.025 * _RESAMPLES)],
                "high": differences[int(0.975 * _RESAMPLES) - 1],
            }
        )
    return table


def main() -> int:
    arguments = _parser().parse_args()
    with tempfile.TemporaryDirectory() as work:
        source = unpack(arguments.crates, Path(work))
        only = arguments.only or sorted(each.name for each in source.iterdir() if each.is_dir())
        chosen = functions([source / name for name in only], arguments.functions, arguments.seed)
        parts = [chosen[i :: arguments.workers * 4] for i in range(arguments.workers * 4)]
        with ProcessPoolExecutor(arguments.workers) as pool:
            tasks = [pool.submit(measure, source, part, arguments.every) for part in parts if part]
            found = [each for task in tasks for each in task.result()]
    table = rows(found)
    shown = Table(title=f"{len(found)} functions", box=None)
    for name in table[0]:
        shown.add_column(name, justify="left" if name == "choice" else "right")
    for row in table:
        shown.add_row(*(f"{x:.3f}" if isinstance(x, float) else str(x) for x in row.values()))
    Console().print(shown)
    if arguments.json:
        report = {"machine": machine(), "rows": table, "ratios": {}}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_choice(parser)
    parser.add_argument("--every", type=int, default=12, help="ask at every so manieth key")
    return parser


if __name__ == "__main__":
    sys.exit(main())
