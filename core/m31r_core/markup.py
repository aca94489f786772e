"""What pages are made of: text that stays text whatever it holds, tables, sections, the style."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

# What HTML cannot hold: control characters but tab and newline, and halves of surrogate pairs.
_FOREIGN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def shown(value: str) -> str:
    """Return `value` escaped for elements and attributes."""
    return escape(_FOREIGN.sub("\ufffd", value))


def section(title: str, *parts: str) -> str:
    """Return a section of the elements `parts` under a heading."""
    return f"<section><h2>{shown(title)}</h2>\n" + "\n".join(parts) + "\n</section>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of text; the first cell of a row is its heading."""
    head = "".join(f'<th scope="col">{shown(cell)}</th>' for cell in header)
    lines = "\n".join(
        f'<tr><th scope="row">{shown(row[0])}</th>'
        + "".join(f"<td>{shown(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{lines}\n</tbody></table>"


def style() -> str:
    """Return the style sheet of our pages: light or dark as the reader's system is."""
    return Path(__file__).with_name("style.css").read_text(encoding="utf-8")
