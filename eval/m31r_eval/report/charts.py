"""Charts as SVG, drawn by hand: a page that needs no other file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from m31r_core.markup import shown

_ROW = 24
_LABEL = 210
_WIDTH = 430
_VALUE = 200
_CHARACTERS = 30
_SQUARE = 320
_MARGIN = 44
_BINS = 40


@dataclass(frozen=True)
class Estimate:
    """A share with its interval, all from 0 to 1."""

    label: str
    value: float
    low: float
    high: float
    n: int | None = None

    @property
    def said(self) -> str:
        """The numbers as text."""
        numbers = f"{100 * self.value:.1f}% [{100 * self.low:.1f}, {100 * self.high:.1f}]"
        return numbers if self.n is None else f"{numbers}, n {self.n}"


def interval_chart(title: str, rows: Sequence[Estimate]) -> str:
    """Return an `svg` with a bar a row and the interval as a line through its end."""
    top = max((row.high for row in rows), default=0.0) or 1.0
    spoken = "; ".join(f"{row.label}: {row.said}" for row in rows)
    width, height = _LABEL + _WIDTH + _VALUE, _ROW * len(rows)
    drawn = "\n".join(_estimate(row, i * _ROW, top) for i, row in enumerate(rows))
    return _svg(width, height, f"{title}. {spoken}", drawn)


def reliability_chart(curve: Sequence[dict[str, float]]) -> str:
    """Return an `svg` of share right over confidence; the diagonal is perfect calibration."""
    most = max((each["n"] for each in curve), default=1)
    size = _SQUARE + 2 * _MARGIN

    def place(confidence: float, right: float) -> tuple[float, float]:
        return _MARGIN + _SQUARE * confidence, _MARGIN + _SQUARE * (1 - right)

    corner, other = place(0, 0), place(1, 1)
    parts = [
        f'<line class="rule" x1="{corner[0]:g}" y1="{corner[1]:g}" x2="{other[0]:g}" '
        f'y2="{other[1]:g}"/>',
        f'<rect class="frame" x="{_MARGIN}" y="{_MARGIN}" width="{_SQUARE}" height="{_SQUARE}"/>',
    ]
    points = [place(each["confidence"], each["right"]) for each in curve]
    parts.append(
        f'<polyline class="curve" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'
    )
    for each, (x, y) in zip(curve, points, strict=True):
        radius = 3 + 9 * (each["n"] / most) ** 0.5
        said = (
            f"confidence {each['confidence']:.2f}: {100 * each['right']:.0f}% right, "
            f"{each['n']:.0f} answers"
        )
        parts.append(
            f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}">'
            f"<title>{shown(said)}</title></circle>"
        )
    for step in (0, 0.25, 0.5, 0.75, 1):
        x, y = place(step, step)
        low, left = corner[1] + 18, corner[0] - 8
        parts.append(f'<text class="middle" x="{x:g}" y="{low:g}">{100 * step:.0f}%</text>')
        parts.append(f'<text class="label" x="{left:g}" y="{y + 4:g}">{100 * step:.0f}%</text>')
    parts.append(
        f'<text class="middle" x="{size / 2:g}" y="{size - 6:g}">confidence</text>'
        f'<text class="middle" x="{size / 2:g}" y="{_MARGIN - 12:g}">share right</text>'
    )
    return _svg(size, size, "Share of right answers over confidence", "\n".join(parts), small=True)


def histogram(title: str, values: Sequence[float], unit: str) -> str:
    """Return an `svg` of how often values occur, up to their 99th percentile."""
    if not values:
        return ""
    ordered = sorted(values)
    top = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))] or 1.0
    counts = [0] * _BINS
    for value in values:
        counts[min(_BINS - 1, int(_BINS * value / top))] += 1
    width, height = _LABEL + _WIDTH + _VALUE, 160
    step, most = (width - 2 * _MARGIN) / _BINS, max(counts)
    parts = []
    for i, count in enumerate(counts):
        tall = (height - 40) * count / most
        low, high = i * top / _BINS, (i + 1) * top / _BINS
        said = f"{low:.1f} to {high:.1f} {unit}: {count}"
        parts.append(
            f'<rect class="bar" x="{_MARGIN + i * step:.1f}" y="{height - 24 - tall:.1f}" '
            f'width="{step - 1:.1f}" height="{tall:.1f}"><title>{shown(said)}</title></rect>'
        )
    for row, (share, name) in enumerate(((0.5, "p50"), (0.95, "p95"))):
        value = ordered[min(len(ordered) - 1, int(share * len(ordered)))]
        x = _MARGIN + (width - 2 * _MARGIN) * min(value / top, 1.0)
        side, at = ("label", x - 4) if x > width / 2 else ("", x + 4)
        parts.append(
            f'<line class="mark" x1="{x:.1f}" y1="12" x2="{x:.1f}" y2="{height - 24}"/>'
            f'<text class="{side}" x="{at:.1f}" y="{20 + 14 * row}">{name} {value:.1f} '
            f"{shown(unit)}</text>"
        )
    parts.append(f'<text class="label" x="{_MARGIN - 6}" y="{height - 8}">0</text>')
    parts.append(
        f'<text class="label" x="{width - _MARGIN}" y="{height - 8}">{top:.1f} {shown(unit)}</text>'
    )
    return _svg(width, height, f"{title}, {len(values)} values", "\n".join(parts))


def _estimate(row: Estimate, top: int, scale: float) -> str:
    middle = top + _ROW / 2
    end, low, high = (
        _LABEL + _WIDTH * max(each, 0.0) / scale for each in (row.value, row.low, row.high)
    )
    label = row.label if len(row.label) <= _CHARACTERS else row.label[: _CHARACTERS - 1] + "…"
    return (
        f"<g><title>{shown(row.label)}: {shown(row.said)}</title>"
        f'<text class="label" x="{_LABEL - 8}" y="{middle + 4:g}">{shown(label)}</text>'
        f'<rect class="bar" x="{_LABEL}" y="{middle - 7:g}" width="{end - _LABEL:.1f}" '
        f'height="14"/>'
        f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{middle:g}" y2="{middle:g}"/>'
        f'<text x="{_LABEL + _WIDTH + 8}" y="{middle + 4:g}">{shown(row.said)}</text></g>'
    )


def _svg(width: float, height: float, spoken: str, body: str, *, small: bool = False) -> str:
    kind = ' class="small"' if small else ""
    return (
        f'<svg role="img"{kind} viewBox="0 0 {width:g} {height:g}" '
        f'aria-label="{shown(spoken)}">\n{body}\n</svg>'
    )
