"""Line charts as SVG: curves over steps and tokens, and a text for each place."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from m31r_core.markup import shown
from m31r_train.page.scales import Scale, middles, short, ticks, value_range

_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 22, 12, 40
_WIDTH, _HEIGHT = {False: 460, True: 960}, {False: 220, True: 320}
# What lies on the edge of the area is drawn wholly: the radius of a point and half a pixel.
_EDGE = 3
# A curve is drawn with at most so many points, and read at so many places.
_POINTS, _PLACES = 500, 60
# Curves of fewer points get no running median; the others get it at so many places.
_ROUGH, _MEDIANS = 40, 200


@dataclass(frozen=True)
class Point:
    """A number at a step; None where it was not finite, so that the curve has a gap."""

    step: int
    value: float | None


@dataclass(frozen=True)
class Curve:
    """What a chart shows of one number: the steps that count, and those that were given up.

    A `noisy` curve is drawn faintly, under its running median. `write` gives a value's text, `tick`
    that of a value on the axis.
    """

    label: str
    points: Sequence[Point]
    given_up: Sequence[Point] = ()
    noisy: bool = False
    write: Callable[[float], str] = short
    tick: Callable[[float], str] = short


@dataclass(frozen=True)
class Axes:
    """What the charts of a page have in common: first and last step, tokens at a step, marks.

    `marks` are steps at which something happened, such as a rewind.
    """

    first: int
    last: int
    tokens_at: Callable[[float], float]
    marks: Sequence[int] = ()


def line_chart(
    title: str, curves: Sequence[Curve], axes: Axes, *, from_zero: bool = False, wide: bool = False
) -> str:
    """Return a `figure`: title, legend, and an `svg` with a curve for each number.

    A `wide` chart comes with a narrow twin that the style sheet shows in its stead on a phone.

    Every place has a `title` with the numbers there; a script may show it in the `output`.
    """
    if wide:
        return _figure(title, curves, axes, from_zero, "wide") + _figure(
            title, curves, axes, from_zero, "twin"
        )
    return _figure(title, curves, axes, from_zero, "narrow")


def _figure(title: str, curves: Sequence[Curve], axes: Axes, from_zero: bool, kind: str) -> str:
    wide = kind == "wide"
    width, height = _WIDTH[wide], _HEIGHT[wide]
    values = [each.value for curve in curves for each in curve.points if each.value is not None]
    low, high = value_range(values, from_zero=from_zero)
    x = Scale(axes.first, max(axes.last, axes.first + 1), _LEFT, width - _RIGHT)
    y = Scale(low, high, height - _BOTTOM, _TOP)
    parts = [
        _horizontal_lines(y, curves[0].tick, width),
        _step_labels(x, axes, height),
        *(_mark(x(step), height) for step in axes.marks),
        _clipped(width, height, (_curve(i, curve, x, y) for i, curve in enumerate(curves))),
        *_places(curves, x, axes, height),
    ]
    latest = "; ".join(f"{curve.label} {_latest(curve)}" for curve in curves)
    legend = " ".join(
        f'<span class="key c{i}">{shown(curve.label)} <b>{shown(_latest(curve))}</b></span>'
        for i, curve in enumerate(curves)
    )
    return (
        f'<figure class="{kind}"><figcaption>{shown(title)} {legend}</figcaption>\n'
        f'<svg role="img" tabindex="0" viewBox="0 0 {width} {height}" '
        f'aria-label="{shown(f"{title}. Latest: {latest}. Arrow keys read the curve.")}">\n'
        + "\n".join(filter(None, parts))
        + '\n</svg>\n<output aria-live="polite">&nbsp;</output></figure>'
    )


def _clipped(width: int, height: int, parts: Iterable[str]) -> str:
    """Return an `svg` that shows of its parts what lies in the area of the curves.

    Its size is given twice: browsers differ in whether a style sheet has a say in it.
    """
    x, y = _LEFT - _EDGE, _TOP - _EDGE
    wide, high = width - _LEFT - _RIGHT + 2 * _EDGE, height - _TOP - _BOTTOM + 2 * _EDGE
    return (
        f'<svg x="{x}" y="{y}" width="{wide}" height="{high}" '
        f'style="width: {wide}px; height: {high}px" '
        f'viewBox="{x} {y} {wide} {high}">{"".join(parts)}</svg>'
    )


def _latest(curve: Curve) -> str:
    known = [each.value for each in curve.points if each.value is not None]
    return curve.write(known[-1]) if known else "none"


def _horizontal_lines(y: Scale, write: Callable[[float], str], width: int) -> str:
    return "".join(
        f'<path class="grid" d="M{_LEFT} {y(value):.1f}H{width - _RIGHT}"/>'
        f'<text class="label" x="{_LEFT - 6}" y="{y(value) + 4:.1f}">{shown(write(value))}</text>'
        for value in ticks(y.low, y.high, 5)
    )


def _step_labels(x: Scale, axes: Axes, height: int) -> str:
    about = round((x.end - x.start) / 60)
    steps = [step for step in ticks(x.low, x.high, about) if step == round(step)]
    return "".join(
        f'<path class="grid" d="M{x(step):.1f} {height - _BOTTOM}v5"/>'
        f'<text class="middle" x="{x(step):.1f}" y="{height - _BOTTOM + 18}">{step:,.0f}</text>'
        f'<text class="middle soft" x="{x(step):.1f}" y="{height - _BOTTOM + 33}">'
        f"{shown(short(axes.tokens_at(step)))}</text>"
        for step in steps
    )


def _mark(at: float, height: int) -> str:
    return f'<path class="mark" d="M{at:.1f} {_TOP}V{height - _BOTTOM}"/>'


def _curve(i: int, curve: Curve, x: Scale, y: Scale) -> str:
    parts = [_path(f"line gone c{i}", curve.given_up, x, y)]
    rough = curve.noisy and len(curve.points) >= _ROUGH
    parts.append(_path(f"line faint c{i}" if rough else f"line c{i}", curve.points, x, y))
    if rough:
        known = [(each.step, each.value) for each in curve.points if each.value is not None]
        found = middles([value for _, value in known], _MEDIANS)
        points = [Point(known[k][0], value) for k, value in found]
        parts.append(_path(f"line c{i}", points, x, y))
    elif len(curve.points) <= _PLACES:
        parts += [
            f'<circle class="c{i}" cx="{x(each.step):.1f}" cy="{y(each.value):.1f}" r="2.5"/>'
            for each in curve.points
            if each.value is not None
        ]
    return "".join(parts)


def _path(kind: str, points: Sequence[Point], x: Scale, y: Scale) -> str:
    """Return a path through `points`, thinned out; it starts anew behind a gap or a step back."""
    data: list[str] = []
    before: Point | None = None
    for point in _thinned(points):
        if point.value is None:
            before = None
            continue
        begins = before is None or point.step <= before.step
        data.append(f"{'M' if begins else 'L'}{x(point.step):.1f} {y(point.value):.1f}")
        before = point
    return f'<path class="{kind}" d="{"".join(data)}"/>' if data else ""


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    """Return at most about `_POINTS` of `points`: of each bunch the lowest and the highest."""
    if len(points) <= _POINTS:
        return points
    size = -(-len(points) * 2 // _POINTS)
    kept: list[Point] = []
    for start in range(0, len(points), size):
        bunch = points[start : start + size]
        known = [each for each in bunch if each.value is not None]
        if len(known) < len(bunch):
            kept.append(next(each for each in bunch if each.value is None))
        if known:
            ends = (min(known, key=_height), max(known, key=_height))
            kept += sorted(ends, key=lambda each: each.step)
    return kept


def _height(point: Point) -> float:
    return point.value or 0.0


def _places(curves: Sequence[Curve], x: Scale, axes: Axes, height: int) -> list[str]:
    """Return the columns that a reader can point at, each with what the curves say there."""
    steps = sorted({each.step for curve in curves for each in curve.points})
    if not steps:
        return []
    chosen = [steps[round(i * (len(steps) - 1) / _PLACES)] for i in range(_PLACES + 1)]
    chosen = list(dict.fromkeys(chosen))
    ends = [(a + b) / 2 for a, b in pairwise(chosen)]
    columns = []
    for step, left, right in zip(chosen, [x.low, *ends], [*ends, x.high], strict=True):
        said = [text for curve in curves if (text := _said(curve, step))]
        text = f"step {step:,}, {short(axes.tokens_at(step))} tokens: {', '.join(said)}"
        columns.append(
            f'<g class="place"><title>{shown(text)}</title>'
            f'<rect x="{x(left):.1f}" y="{_TOP}" width="{max(x(right) - x(left), 1):.1f}" '
            f'height="{height - _TOP - _BOTTOM}"/>'
            f'<path d="M{x(step):.1f} {_TOP}V{height - _BOTTOM}"/></g>'
        )
    return columns


def _said(curve: Curve, step: int) -> str:
    """Return what a curve says at a step: its last number until then."""
    i = bisect_right(curve.points, step, key=lambda each: each.step)
    if not i:
        return ""
    value = curve.points[i - 1].value
    return f"{curve.label} {'not finite' if value is None else curve.write(value)}"
