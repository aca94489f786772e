"""Functions typed key by key with ghost text on: what is saved, what is shown, how much is wrong.

    python benchmarks/ghost_text.py --crates eval/suites/crates.tar.xz --functions 200
    python benchmarks/ghost_text.py --crates DIR --only similar-2.7.0 fst-0.4.7 --record test.jsonl
    python benchmarks/ghost_text.py --again test.jsonl --curve reliability.png
    python benchmarks/ghost_text.py --again valid.jsonl --fit    # calibrates the bundle that ships

A user who types the body of a function in a real crate is simulated, key by key; the editor
indents. At every key the server's own code (`m31r_lsp.suggest`) is asked, with the crate as its
workspace and the crates beside it as its dependencies. A suggestion whose line is the rest of the
line is accepted with one key; any other stays on the screen while the user types what it says.

All answers are recorded first, with nothing accepted: what the model says depends on the text
alone, so every gate can be tried on the recording. `savings_kept` and `wrong_kept` are the
characters saved and the share of wrong suggestions, relative to showing everything unfiltered.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._machine import machine

from m31r_core.bundle import load_bundle, shipped_bundle
from m31r_core.engine import Completer, Engine
from m31r_core.engine.confidence import Calibration, Evidence, fit_calibration, worth_showing
from m31r_core.syntax import parse
from m31r_eval.calibrating import keep
from m31r_eval.crates import unpack
from m31r_eval.metrics import expected_calibration_error, reliability
from m31r_lsp import silence
from m31r_lsp.context.files import read, rust_files
from m31r_lsp.context.gather import SOURCES, Source
from m31r_lsp.context.surroundings import Surroundings
from m31r_lsp.filters import apply_filters
from m31r_lsp.filters.cursor import Cursor
from m31r_lsp.indexing import read_libraries, read_names
from m31r_lsp.scope.dependencies import packages
from m31r_lsp.scope.unknown import unknown_names
from m31r_lsp.settings import CompletionSettings
from m31r_lsp.suggest import Query, request_for

CRATES = Path(__file__).parents[1] / "eval" / "suites" / "crates.tar.xz"
"""Crates that no training saw, some of them in the validation split, and their dependencies."""

_LINES = range(4, 31)
_INDEX_BYTES = 16 << 20
_GATES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)


@dataclass(frozen=True)
class Function:
    """A function of a crate, its body cut out: `before` ends with the brace that opens it."""

    crate: str
    path: str
    name: str
    before: str
    body: str
    after: str

    def places(self) -> Iterator[int]:
        """Yield the lengths of what is typed of the body before each key.

        An editor writes the indentation of a new line itself.
        """
        at = 0
        while at < len(self.body):
            yield at
            at += 1
            if self.body[at - 1] == "\n":
                while self.body[at : at + 1] in (" ", "\t"):
                    at += 1

    def cursor(self, at: int) -> Cursor:
        """The cursor behind so much of the body."""
        return Cursor(self.before + self.body[:at], self.after)

    def rest(self, at: int) -> str:
        """What is still to be typed of the line."""
        return self.body[at:].partition("\n")[0].rstrip()


@dataclass(frozen=True)
class Answer:
    """What was said at one key: the model's text, what the filters left, and what is known of it.

    `silent` is the reason when the model was not asked.
    """

    at: int
    silent: str | None = None
    raw: str = ""
    text: str = ""
    emptied_by: str | None = None
    swallows: int = 0
    logprobs: tuple[float, ...] = ()
    end: float = 0.0
    unknown: tuple[str, ...] = ()
    ms: float = 0.0

    @property
    def evidence(self) -> Evidence:
        """What the model said of its first line."""
        line = self.raw.partition("\n")[0] or self.raw
        return Evidence(tuple(self.logprobs), self.end, len(line))


@dataclass(frozen=True)
class Recording:
    """A function and the answer at each of its keys."""

    function: Function
    answers: tuple[Answer, ...]


@dataclass
class Result:
    """Sums over functions: characters to type, those accepted, suggestions shown and wrong."""

    characters: int = 0
    accepted: int = 0
    keys: int = 0
    shown: int = 0
    wrong: int = 0

    def row(self) -> dict[str, float]:
        """Return what is reported."""
        return {
            "chars_saved": self.accepted / max(self.characters, 1),
            "keys_saved": 1 - self.keys / max(self.characters, 1),
            "shown": self.shown,
            "share_wrong": self.wrong / max(self.shown, 1),
        }


@dataclass(frozen=True)
class Gate:
    """What is shown: from which confidence on, and after which steps."""

    calibration: Calibration
    least: float = 0.0
    filters: bool = True
    unknown_name: float = 1.0

    def shown(self, answer: Answer) -> str:
        """Return what of an answer is shown, empty for nothing."""
        text = answer.text if self.filters else answer.raw.partition("\n")[0].rstrip()
        if not text or not answer.logprobs:
            return ""
        confidence = self.calibration.confidence(answer.evidence)
        if answer.unknown and self.filters:
            confidence *= self.unknown_name
        line = text.partition("\n")[0]
        return line if worth_showing(confidence, len(line)) >= self.least else ""


def functions(crates: Sequence[Path], n: int, seed: int) -> list[Function]:
    """Choose `n` functions, as many of each crate as there are, drawn with `seed`."""
    by_crate = []
    for crate in crates:
        found = [each for file in rust_files(crate / "src") for each in _functions(crate, file)]
        random.Random(f"{seed} {crate.name}").shuffle(found)
        by_crate.append(found)
    chosen: list[Function] = []
    while len(chosen) < n and any(by_crate):
        chosen += [found.pop() for found in by_crate if found]
    return chosen[:n]


def _functions(crate: Path, file: Path) -> Iterator[Function]:
    text = read(file)
    if text is None:
        return
    data = text.encode()
    waiting = [parse(data).root_node]
    while waiting:
        node = waiting.pop()
        waiting += node.named_children
        body, name = node.child_by_field_name("body"), node.child_by_field_name("name")
        if node.type != "function_item" or body is None or name is None or body.has_error:
            continue
        inside = data[body.start_byte + 1 : body.end_byte - 1].decode()
        if inside.count("\n") in _LINES and inside.startswith("\n"):
            kept = inside.rstrip()
            yield Function(
                crate.name,
                file.relative_to(crate).as_posix(),
                data[name.start_byte : name.end_byte].decode(),
                data[: body.start_byte + 1].decode(),
                kept,
                inside[len(kept) :] + data[body.end_byte - 1 :].decode(),
            )


@contextmanager
def surroundings(
    crate: Path, without: Function, sources: tuple[Source, ...], *, names: bool = True
) -> Iterator[Surroundings]:
    """Know the crate but for the function's body, and its dependencies beside it."""
    known = _known(crate, sources, names)
    known.closed(without.path, without.before + without.after)
    yield known
    known.closed(without.path, without.before + without.body + without.after)


@lru_cache(maxsize=8)
def _known(crate: Path, sources: tuple[Source, ...], names: bool) -> Surroundings:
    known = Surroundings(_INDEX_BYTES, sources)
    found, _ = packages([crate / "Cargo.toml"], [crate.parent])
    deque(read_libraries(known, [each for each in found if each.direct]), maxlen=0)
    for file in rust_files(crate):
        text = read(file)
        if text is not None:
            known.read(file.relative_to(crate).as_posix(), text)
    if names:
        deque(read_names(known, found), maxlen=0)
        known.complete(True)
    return known


def record(
    crates: Path, chosen: Sequence[Function], sources: tuple[Source, ...]
) -> list[Recording]:
    """Ask at every key of every function."""
    completer = Completer(Engine.load(load_bundle(shipped_bundle()), threads=1))
    return [_record(completer, crates, each, sources) for each in chosen]


def _record(
    completer: Completer, crates: Path, function: Function, sources: tuple[Source, ...]
) -> Recording:
    settings = CompletionSettings()
    answers = []
    with surroundings(crates / function.crate, function, sources) as known:
        for at in function.places():
            cursor = function.cursor(at)
            reason = silence.at_cursor(settings, cursor)
            if reason is not None:
                answers.append(Answer(at, silent=reason))
                continue
            query = Query(function.path, cursor, settings, known)
            completion = completer.complete(request_for(query, query.kind))
            filtered = apply_filters(completion.text, cursor)
            line = completion.text.partition("\n")[0] or completion.text
            evidence = completion.evidence(0, len(line))
            answers.append(
                Answer(
                    at,
                    None,
                    completion.text,
                    filtered.ghost.text,
                    filtered.emptied_by,
                    filtered.ghost.swallows,
                    tuple(round(each, 4) for each in evidence.logprobs),
                    round(evidence.end, 4),
                    unknown_names(cursor.prefix, filtered.ghost.text, cursor.suffix, known.exists),
                    round(completion.generation.prefill_ms + completion.generation.decode_ms, 2),
                )
            )
    return Recording(function, tuple(answers))


def play(recording: Recording, gate: Gate) -> Result:
    """Type one function behind a gate."""
    function, answers = recording.function, {each.at: each for each in recording.answers}
    result = Result()
    shown, at = "", 0
    for key in function.places():
        if key < at:
            continue
        rest = function.rest(key)
        if not shown and (shown := gate.shown(answers[key])):
            result.shown += 1
            if shown == rest and len(rest) > 1:
                result.accepted += len(rest)
                result.characters += len(rest)
                result.keys += 1
                at, shown = key + len(rest), ""
                continue
            result.wrong += shown != rest
        typed = function.body[key]
        shown = shown[1:] if shown[:1] == typed else ""
        result.characters += 1
        result.keys += 1
    return result


def total(recordings: Iterable[Recording], gate: Gate) -> Result:
    """Type all functions behind a gate."""
    results = [play(each, gate) for each in recordings]
    names = asdict(Result())
    return Result(**{name: sum(getattr(each, name) for each in results) for name in names})


def calibrated(recordings: Iterable[Recording]) -> Calibration:
    """Fit confidence to how often a line was right."""
    rows, right = [], []
    for recording in recordings:
        for answer in recording.answers:
            if answer.logprobs and answer.text:
                rows.append(answer.evidence.features())
                right.append(answer.text.partition("\n")[0] == recording.function.rest(answer.at))
    return fit_calibration(rows, right)


def main() -> int:
    arguments = _parser().parse_args()
    with tempfile.TemporaryDirectory() as work:
        recordings = _load(arguments.again) if arguments.again else _make(arguments, Path(work))
    if arguments.record:
        lines = [json.dumps(asdict(each), ensure_ascii=False) for each in recordings]
        arguments.record.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if arguments.fit:
        answers = sum(len(each.answers) for each in recordings)
        says = f"{answers} keys of {len(recordings)} functions, benchmarks/ghost_text.py"
        keep(shipped_bundle(), calibrated(recordings), says)
    completer = Completer(Engine.load(load_bundle(shipped_bundle()), threads=1))
    calibration = completer.calibration
    if arguments.curve:
        _draw(recordings, calibration, arguments.curve)
    rows = _rows(recordings, calibration, arguments.unknown)
    _print(rows, len(recordings))
    if arguments.json:
        report = {"machine": machine(), "rows": rows, "ratios": {}}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


def _rows(
    recordings: Sequence[Recording], fitted: Calibration, unknown: float
) -> list[dict[str, Any]]:
    everything = Gate(fitted, filters=False)
    levels = sorted({*_GATES, CompletionSettings().min_confidence})
    gates = {
        "everything": everything,
        "filters": replace(everything, filters=True),
        "filters and names": replace(everything, filters=True, unknown_name=0.0, least=1e-9),
        **{f"at {least:.2f}": Gate(fitted, least, True, unknown) for least in levels},
    }
    whole = total(recordings, everything)
    rows: list[dict[str, Any]] = []
    for name, gate in gates.items():
        found = total(recordings, gate)
        row: dict[str, Any] = {"gate": name, **found.row()}
        row["savings_kept"] = found.accepted / max(whole.accepted, 1)
        row["wrong_kept"] = row["share_wrong"] / max(whole.row()["share_wrong"], 1e-9)
        rows.append(row)
    return rows


def _draw(recordings: Iterable[Recording], calibration: Calibration, file: Path) -> None:
    from matplotlib.figure import Figure

    said, right = [], []
    for recording in recordings:
        for answer in recording.answers:
            if answer.logprobs and answer.text.strip():
                said.append(answer.evidence)
                line = answer.text.partition("\n")[0]
                right.append(line == recording.function.rest(answer.at))
    figure = Figure(figsize=(5.2, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot((0, 1), (0, 1), color="grey", linewidth=0.8, linestyle="--")
    for label, each in (("tokens' mean", Calibration()), ("calibrated", calibration)):
        curve = reliability([each.confidence(one) for one in said], right)
        error = expected_calibration_error(curve)
        axes.plot(
            [one.confidence for one in curve],
            [one.right for one in curve],
            marker="o",
            label=f"{label}, error {error:.3f}",
        )
        print(f"{label}: calibration error {error:.3f}")
        for one in curve:
            print(f"  {one.low:.1f} n {one.n} said {one.confidence:.3f} right {one.right:.3f}")
    axes.set(xlabel="confidence", ylabel="share of lines that were right", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper left", frameon=False)
    figure.savefig(file, dpi=110, metadata={"Software": None})


def _print(rows: Sequence[dict[str, Any]], n: int) -> None:
    table = Table(title=f"{n} functions", box=None)
    for name in rows[0]:
        table.add_column(name, justify="left" if name == "gate" else "right")
    for row in rows:
        cells = [
            f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()
        ]
        table.add_row(*cells)
    Console().print(table)


def _make(arguments: argparse.Namespace, work: Path) -> list[Recording]:
    source = unpack(arguments.crates, work)
    names = arguments.only or sorted(each.name for each in source.iterdir() if each.is_dir())
    chosen = functions([source / name for name in names], arguments.functions, arguments.seed)
    sources = tuple(each for each in SOURCES if each in arguments.sources)
    parts = [chosen[i :: arguments.workers * 4] for i in range(arguments.workers * 4)]
    with ProcessPoolExecutor(arguments.workers) as pool:
        tasks = [pool.submit(record, source, part, sources) for part in parts if part]
        return [each for task in tasks for each in task.result()]


def _load(file: Path) -> list[Recording]:
    def answer(data: dict[str, Any]) -> Answer:
        return Answer(
            **{**data, "logprobs": tuple(data["logprobs"]), "unknown": tuple(data["unknown"])}
        )

    lines = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return [
        Recording(Function(**line["function"]), tuple(map(answer, line["answers"])))
        for line in lines
    ]


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Add which functions are typed, and by how many processes."""
    parser.add_argument(
        "--crates", type=Path, default=CRATES, help="a directory source of crates, or an archive"
    )
    parser.add_argument("--only", nargs="*", help="folders in it to take functions from")
    parser.add_argument("--functions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_choice(parser)
    parser.add_argument("--sources", nargs="*", default=list(SOURCES), choices=SOURCES)
    parser.add_argument("--record", type=Path, help="write the recording")
    parser.add_argument("--again", type=Path, help="read a recording instead of making one")
    parser.add_argument(
        "--fit", action="store_true", help="calibrate the bundle that ships on the recording"
    )
    parser.add_argument("--curve", type=Path, help="draw how often answers are right, as PNG")
    parser.add_argument("--unknown", type=float, default=0.1, help="factor for unknown names")
    return parser


if __name__ == "__main__":
    sys.exit(main())
