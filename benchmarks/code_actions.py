"""Break real crates in an editor's buffer, ask the real server for repairs, and judge every one.

    M31R_SHARED=../shared python benchmarks/code_actions.py --json code_actions.json

Every mutant is one small edit that cargo rejects. Time runs from the codeAction request to the
answer, with the crate known to the server. Each action is then applied to a copy of the crate and
judged by plain cargo check: one with an error that was not there before is counted as wrong.
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
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._machine import machine
from tests.core.mutants import ARCHIVE, CRATES, PlainCargo, crate_of, mutants, unpack
from tests.lsp.conftest import Json, Wire
from tests.lsp.crates import RICH, applied

from m31r_core.cargo.compiler import compare
from m31r_lsp.documents import Document
from m31r_lsp.settings import CheckSettings

BUDGET_S = 2.0
LARGEST_WITH_BUDGET = 10_000


@dataclass(frozen=True)
class Row:
    """One crate. `first_s` is the median time to an answer with an action, `cold_s` the time to
    the first look at the crate, with nothing known of it."""

    crate: str
    lines: int
    mutants: int
    repaired: int
    actions: int
    wrong: tuple[str, ...]
    cold_s: float
    first_s: float
    p90_s: float


def main() -> int:
    arguments = _parser().parse_args()
    if not ARCHIVE.is_file():
        print(f"code_actions.py: skipped, {ARCHIVE} is not there; M31R_SHARED names its folder")
        return 0
    share, more = divmod(arguments.mutants, len(arguments.crates))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["CARGO_HOME"] = str(unpack(folder))
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        rows = [
            measure(crate, folder, share + (number < more), arguments.seed)
            for number, crate in enumerate(arguments.crates)
        ]
    _print(rows)
    if arguments.json:
        report = {"machine": machine(), "rows": [asdict(row) for row in rows], "ratios": {}}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return int(any(row.wrong for row in rows))


def measure(name: str, folder: Path, count: int, seed: int) -> Row:
    """Ask for the repairs of `count` mutants of one crate that do not compile."""
    crate = crate_of(name, Path(os.environ["CARGO_HOME"]), folder / name).resolve()
    copy = shutil.copytree(crate, folder / f"{name}-plain")
    cargo = PlainCargo(copy, folder / "plain-target" / name)
    wire = Wire()
    wire.initialize(None, root=crate, capabilities=RICH)
    cold_s = _first_look(wire, crate)
    took: list[float] = []
    wrong: list[str] = []
    asked = repaired = offered = 0
    candidates = mutants(crate, 4 * count, seed)
    for mutant in track(candidates, name, console=Console(stderr=True)):
        broken = cargo.errors({mutant.path: mutant.text})
        if not broken:
            continue
        asked += 1
        uri = (crate / mutant.path).as_uri()
        text = mutant.text.decode()
        wire.open(uri, text)
        place = next((error.primary for error in broken if error.primary), None)
        if place is None:
            continue
        asked_in = (crate / place.path).as_uri()
        if asked_in != uri:
            wire.open(asked_in, (crate / place.path).read_text("utf-8"))
        start = time.perf_counter()
        actions = wire.call("textDocument/codeAction", _at(asked_in, place.line_start - 1))
        seconds = time.perf_counter() - start
        if actions:
            took.append(seconds)
        repaired += bool(actions)
        for action in actions:
            edit = wire.resolve(action)["edit"]
            offered += 1
            after = cargo.errors({mutant.path: mutant.text, **_texts(crate, edit, uri, text)})
            if not compare(broken, after, 0.0).passed:
                wrong.append(f"{mutant.kind} {mutant.path}: {action['title']}")
        wire.close(uri)
        if asked_in != uri:
            wire.close(asked_in)
        if asked == count:
            break
    wire.kill()
    ordered = sorted(took or [0.0])
    return Row(
        crate=name,
        lines=sum(file.read_bytes().count(b"\n") for file in (crate / "src").rglob("*.rs")),
        mutants=asked,
        repaired=repaired,
        actions=offered,
        wrong=tuple(wrong),
        cold_s=round(cold_s, 2),
        first_s=round(statistics.median(ordered), 2),
        p90_s=round(ordered[int(0.9 * (len(ordered) - 1))], 2),
    )


def _first_look(wire: Wire, crate: Path) -> float:
    """Ask about a file without errors until the server has looked at the crate; return seconds."""
    file = next((crate / "src").glob("*.rs"))
    wire.open(file.as_uri(), file.read_text("utf-8"))
    begin = time.perf_counter()
    while True:
        start = time.perf_counter()
        wire.call("textDocument/codeAction", _at(file.as_uri(), 0))
        now = time.perf_counter()
        # An answer that takes as long as the deadline is none.
        if now - start < CheckSettings().deadline_s:
            wire.close(file.as_uri())
            return now - begin


def _at(uri: str, line: int) -> Json:
    """Ask for the quick fixes of the errors of a line."""
    where = {"start": {"line": line, "character": 0}, "end": {"line": line, "character": 10_000}}
    return {
        "textDocument": {"uri": uri},
        "range": where,
        "context": {"diagnostics": [], "only": ["quickfix"], "triggerKind": 1},
    }


def _texts(crate: Path, edit: Json, uri: str, text: str) -> dict[str, bytes]:
    """Return the files with the edit applied, by path from the crate's folder."""
    texts = {}
    for change in edit["documentChanges"]:
        file = Document(change["textDocument"]["uri"], "", 0, "utf-16").file
        assert file is not None
        before = text if change["textDocument"]["uri"] == uri else file.read_bytes().decode()
        path = file.relative_to(crate).as_posix()
        texts[path] = applied(before, change["edits"]).encode()
    return texts


def _print(rows: list[Row]) -> None:
    table = Table("crate", "lines", "mutants", "repaired", "actions", "wrong", "cold s")
    table.add_column("median s")
    table.add_column("p90 s")
    for row in rows:
        over = row.lines <= LARGEST_WITH_BUDGET and row.first_s > BUDGET_S
        first = f"[red]{row.first_s}[/]" if over else f"{row.first_s}"
        values = (row.crate, row.lines, row.mutants, row.repaired, row.actions, len(row.wrong))
        table.add_row(*map(str, (*values, row.cold_s, first, row.p90_s)))
    Console().print(table)
    for row in rows:
        for line in row.wrong:
            print(f"{row.crate}: {line}")


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--mutants", type=int, default=300, help="of all crates together (300)")
    parser.add_argument("--seed", type=int, default=0, help="chooses the mutants (0)")
    parser.add_argument("--crates", nargs="+", default=list(CRATES), choices=CRATES)
    return parser


if __name__ == "__main__":
    sys.exit(main())
