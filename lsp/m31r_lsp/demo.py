"""m31r-lsp demo: five places of the crate under examples/, completed by the real engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from m31r_core.errors import M31RError
from m31r_lsp.filters.cursor import Cursor
from m31r_lsp.local import load_local
from m31r_lsp.suggest import Query, Suggestion, suggest

_EXAMPLES = Path(__file__).parents[2] / "examples"
_LINES_ABOVE = 3


@dataclass(frozen=True)
class Place:
    """A cursor: behind the first occurrence of `before` in `file`; the rest of its line is cut."""

    file: str
    before: str


PLACES = (
    Place("src/lib.rs", "#[derive(Debug, "),
    Place("src/lib.rs", "    fn fmt(&self, f: &mut "),
    Place("src/lib.rs", "    pub fn new() -> "),
    Place("src/lib.rs", "            title: title."),
    Place("src/report.rs", "        let mut by_reader = HashMap::"),
)


def demo(model: Path | None) -> int:
    """Print each place with its ghost text and latency. Raises M31RError without examples/."""
    if not (_EXAMPLES / "Cargo.toml").is_file():
        raise M31RError(f"{_EXAMPLES}: no such folder; the demo needs a checkout of the repository")
    local = load_local(model, _EXAMPLES)
    console = Console(highlight=False)
    manifest = local.bundle.manifest
    console.print(f"[bold]{manifest.model_id}[/] ({manifest.quant}), on this machine's CPU\n")
    for place in PLACES:
        cursor = _cursor(place)
        found = suggest(local.completer, Query(place.file, cursor, local.settings.completion))
        _show(console, place, cursor, found)
    return 0


def _cursor(place: Place) -> Cursor:
    text = (_EXAMPLES / place.file).read_text(encoding="utf-8")
    prefix, found, suffix = text.partition(place.before)
    if not found:
        raise M31RError(f"{_EXAMPLES / place.file}: {place.before.strip()!r} is not in it")
    return Cursor(prefix + found, "\n" + suffix.partition("\n")[2])


def _show(console: Console, place: Place, cursor: Cursor, found: Suggestion) -> None:
    number = cursor.prefix.count("\n") + 1
    console.print(f"[cyan]{place.file}:{number}[/]  [dim]{found.took_ms:.0f} ms[/]")
    lines = cursor.prefix.split("\n")
    first = max(0, len(lines) - 1 - _LINES_ABOVE)
    for i, line in enumerate(lines[first:], first + 1):
        shown = Text(f"{i:5} | ", "dim") + Text(line, "default")
        if i == len(lines):
            shown += Text(found.text, "bold black on green")
            if found.silence is not None:
                shown += Text(f"  (silent: {found.silence})", "yellow")
        console.print(shown, soft_wrap=True)
    console.print()
