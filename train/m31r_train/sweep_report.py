"""What a sweep found: tables, `sweep.json`, `sweep.png`, and the rates for a larger model."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

from rich.console import RenderableType
from rich.table import Table

from m31r_train.config import TrainConfig
from m31r_train.sweep import BASE, Cell, Outcome, SweepConfig
from m31r_train.trend import Optimum, noise_of, optimum, power_law

_VERDICTS = {
    "inside": "between the values measured",
    "edge": "at the edge of the values measured: widen the axis",
    "flat": "no difference beyond the noise",
    "few": "too few values",
    "uneven": "no parabola: too much noise, or too wide an axis",
}


@dataclass(frozen=True)
class Curve:
    """The mean loss at each value of one axis, for one proxy and batch, and its best value."""

    key: str
    proxy: str
    parameters: int
    batch_tokens: int
    losses: dict[float, float]
    best: Optimum


def write_report(
    config: SweepConfig,
    cells: Sequence[Cell],
    outcomes: Mapping[Path, Outcome],
    target: TrainConfig | None,
) -> list[RenderableType]:
    """Write `sweep.json` and `sweep.png` to the sweep's folder; return what is to be shown.

    `outcomes` is by the cells' folders. Cells without one are left out.
    """
    done = [cell for cell in cells if cell.folder in outcomes]
    noise = _noise(done, outcomes)
    curves = _curves(done, outcomes, noise or 0.0)
    predicted = {} if target is None else extrapolate(curves, target)
    content = {
        "tokens": config.tokens,
        "noise": noise,
        "runs": [_run(cell, outcomes[cell.folder]) for cell in done],
        "curves": [asdict(curve) for curve in curves],
        "target": None if config.target is None else str(config.target),
        "extrapolated": predicted,
    }
    config.output.mkdir(parents=True, exist_ok=True)
    # Infinity, the loss of a run that diverged, is no JSON.
    text = json.dumps(_finite(content), indent=2)
    (config.output / "sweep.json").write_text(text + "\n", encoding="utf-8")
    _draw(curves, config.output / "sweep.png")
    return [
        *([_variants(done, outcomes)] if config.variants else []),
        *([_rates(curves)] if curves else []),
        "noise between seeds: "
        + ("unknown, every setting ran once" if noise is None else f"{noise:.4f} nats a token"),
        *(f"{key} for {config.target}: {text}" for key, text in predicted.items()),
    ]


def extrapolate(curves: Sequence[Curve], target: TrainConfig) -> dict[str, str]:
    """Return for each key what the best values come to at the size and batch of `target`.

    A power law in size, and in batch where several were swept. Only optima that lie inside the
    values measured count; where they do not determine the law, the text says what is missing.
    """
    found = {}
    for key in dict.fromkeys(curve.key for curve in curves):
        inside = [c for c in curves if c.key == key and c.best.verdict == "inside"]
        batches = {c.batch_tokens for c in inside}
        with_batch = len(batches) > 1

        def quantities(size: float, batch: float, wide: bool = with_batch) -> tuple[float, ...]:
            return (size, batch) if wide else (size,)

        points = [(quantities(c.parameters, c.batch_tokens), c.best.rate) for c in inside]
        try:
            law = power_law(points)
        except ValueError:
            found[key] = "unknown: it takes two sizes whose best value lies inside the axis"
            continue
        size = target.model.parameters
        value = law.at(*quantities(size, target.plan.batch_tokens))
        largest = max(c.parameters for c in inside)
        error = "of unknown error" if law.error is None else f"x/ {math.exp(law.error):.2f}"
        powers = " and ".join(
            f"{name}^{power:.2f}"
            for name, power in zip(("size", "batch"), law.exponents, strict=False)
        )
        found[key] = f"{value:.3g} ({error}; ~ {powers}; {size / largest:.0f} x the largest proxy)"
    return found


def _noise(cells: Sequence[Cell], outcomes: Mapping[Path, Outcome]) -> float | None:
    groups: dict[tuple[object, ...], dict[Path, float]] = {}
    for cell in cells:
        setting = (cell.proxy, cell.batch_tokens, cell.key, str(cell.value), cell.variant)
        groups.setdefault(setting, {})[cell.folder] = outcomes[cell.folder].loss
    # A run that stands in several cells counts once.
    distinct = {tuple(sorted(map(str, group))): list(group.values()) for group in groups.values()}
    return noise_of(distinct.values())


def _curves(cells: Sequence[Cell], outcomes: Mapping[Path, Outcome], noise: float) -> list[Curve]:
    losses: dict[tuple[str, str, int, int], dict[float, list[float]]] = {}
    for cell in cells:
        if cell.key:
            size = cell.config.model.parameters
            curve = losses.setdefault((cell.key, cell.proxy, size, cell.batch_tokens), {})
            curve.setdefault(cell.value, []).append(outcomes[cell.folder].loss)
    curves = []
    for place, values in sorted(losses.items(), key=lambda item: (item[0][0], *item[0][2:])):
        means = {value: fmean(values[value]) for value in sorted(values)}
        if any(map(math.isfinite, means.values())):
            seeds = min(map(len, values.values()))
            curves.append(Curve(*place, means, optimum(means, noise / math.sqrt(seeds))))
    return curves


def _variants(cells: Sequence[Cell], outcomes: Mapping[Path, Outcome]) -> Table:
    """Return a row for each variant and proxy: the mean over seeds, and how far from the base."""
    table = Table("proxy", "variant", "seeds", "valid, nats/token", "against base", "bits/byte")
    for header in ("exact match", "ended"):
        table.add_column(header)
    rows: dict[tuple[str, str], list[Outcome]] = {}
    for cell in cells:
        if not cell.key:
            rows.setdefault((cell.proxy, cell.variant), []).append(outcomes[cell.folder])
    for (proxy, variant), found in rows.items():
        loss = fmean(outcome.loss for outcome in found)
        less = loss - fmean(outcome.loss for outcome in rows.get((proxy, BASE), found))
        table.add_row(
            proxy,
            variant,
            str(len(found)),
            f"{loss:.4f}",
            "" if variant == BASE else f"{less:+.4f}",
            f"{fmean(outcome.bits_per_byte for outcome in found):.4f}",
            _share([outcome.exact_match for outcome in found]),
            _share([outcome.ended for outcome in found]),
        )
    return table


def _share(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{fmean(known):.1%}" if known else ""


def _rates(curves: Sequence[Curve]) -> Table:
    table = Table("key", "proxy", "parameters", "batch", "value: loss", "best", "it lies")
    for curve in curves:
        best = curve.best
        around = f" ({best.low:.3g} to {best.high:.3g})" if best.low < best.high else ""
        table.add_row(
            curve.key,
            curve.proxy,
            f"{curve.parameters / 1e6:.2f}M",
            f"{curve.batch_tokens:,}",
            "\n".join(f"{value:g}: {loss:.4f}" for value, loss in curve.losses.items()),
            f"{best.rate:.3g}{around}",
            _VERDICTS[best.verdict],
        )
    return table


def _run(cell: Cell, outcome: Outcome) -> dict[str, object]:
    return {
        "folder": cell.folder.name,
        "proxy": cell.proxy,
        "parameters": cell.config.model.parameters,
        "batch_tokens": cell.batch_tokens,
        "seed": cell.seed,
        "key": cell.key,
        "value": cell.value if cell.key else None,
        "variant": cell.variant,
        "valid_loss": outcome.loss,
        "valid_bits_per_byte": outcome.bits_per_byte,
        "tasks_exact_match": outcome.exact_match,
        "tasks_ended": outcome.ended,
        "set": list(cell.overrides),
    }


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _draw(curves: Sequence[Curve], picture: Path) -> None:
    """Draw loss over value for every axis, a line for each proxy and batch, the best as a dot."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    keys = list(dict.fromkeys(curve.key for curve in curves))
    if not keys:
        return
    figure, panels = pyplot.subplots(
        1, len(keys), figsize=(6 * len(keys), 4.5), dpi=110, squeeze=False
    )
    for key, axes in zip(keys, panels[0], strict=True):
        for curve in (curve for curve in curves if curve.key == key):
            points = [(x, y) for x, y in curve.losses.items() if math.isfinite(y)]
            label = f"{curve.proxy}, {curve.parameters / 1e6:.2g}M, batch {curve.batch_tokens:,}"
            (line,) = axes.plot(*zip(*points, strict=True), marker=".", label=label)
            if curve.best.verdict == "inside":
                axes.plot(curve.best.rate, curve.best.loss, "o", color=line.get_color())
        axes.set(xscale="log", xlabel=key, ylabel="loss on valid (nats a token)")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.savefig(picture, bbox_inches="tight", metadata={"Software": None})
    pyplot.close(figure)
