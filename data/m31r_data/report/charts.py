"""Bar charts as SVG, drawn by hand: a page that needs no script and no other file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from m31r_core.markup import shown

_ROW = 26
_BAR = 16
_LABEL = 210
_BARS = 430
_VALUE = 150
_CHARACTERS = 30


@dataclass(frozen=True)
class Bar:
    """One bar: how long it is, what stands beside it, and how much of it is marked."""

    label: str
    length: int
    value: str
    marked: int = 0


def bar_chart(title: str, bars: Sequence[Bar]) -> str:
    """Return an `svg` element with a bar a row, the longest as wide as there is room.

    Screen readers are told the title and every bar's value. A label that is too long is cut; a tip
    shows the whole.
    """
    longest = max((bar.length for bar in bars), default=0) or 1
    width, height = _LABEL + _BARS + _VALUE, _ROW * len(bars)
    spoken = "; ".join(f"{bar.label}: {bar.value}" for bar in bars)
    rows = "\n".join(_row(bar, i * _ROW, longest) for i, bar in enumerate(bars))
    return (
        f'<svg role="img" viewBox="0 0 {width} {height}" '
        f'aria-label="{shown(f"{title}. {spoken}")}">\n{rows}\n</svg>'
    )


def _row(bar: Bar, top: int, longest: int) -> str:
    width = _BARS * max(bar.length, 0) / longest
    marked = _BARS * max(bar.marked, 0) / longest
    bottom = top + _ROW / 2 + 4
    start = (_ROW - _BAR) / 2 + top
    return (
        f"<g><title>{shown(bar.label)}: {shown(bar.value)}</title>"
        f'<text class="label" x="{_LABEL - 8}" y="{bottom:g}">{shown(_cut(bar.label))}</text>'
        f'<rect class="bar" x="{_LABEL}" y="{start:g}" width="{width:.1f}" height="{_BAR}"/>'
        f'<rect class="lost" x="{_LABEL + width:.1f}" y="{start:g}" width="{marked:.1f}" '
        f'height="{_BAR}"/>'
        f'<text x="{_LABEL + width + marked + 6:.1f}" y="{bottom:g}">{shown(bar.value)}</text></g>'
    )


def _cut(label: str) -> str:
    return label if len(label) <= _CHARACTERS else label[: _CHARACTERS - 1] + "…"
