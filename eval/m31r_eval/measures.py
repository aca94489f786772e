"""What each suite counts: from records to the numbers of `metrics.json`, and to comparisons.

A measure is a sum over records divided by a sum of weights, so that one bootstrap serves all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from m31r_eval.metrics import bootstrap_interval, mean_of

Suite = Literal["complete", "check", "generate", "repair", "latency", "memory"]
Record = Mapping[str, Any]
Pair = tuple[float, float]


@dataclass(frozen=True)
class Measure:
    """A number of a suite. `of` gives value and weight of a record, None where it has none.

    `percent` says that it is a share; otherwise it is shown as it is, and less is better.
    """

    name: str
    of: Callable[[Record], Pair | None]
    percent: bool = True


def _share(key: str) -> Callable[[Record], Pair | None]:
    def of(record: Record) -> Pair | None:
        value = record.get(key)
        return None if value is None else (float(value), 1.0)

    return of


def _of_broken(key: str) -> Callable[[Record], Pair | None]:
    def of(record: Record) -> Pair | None:
        # The baseline of a record is about the same program.
        return _share(key)(record) if record.get("broken_at_start", 1) else None

    return of


def _typed(record: Record) -> Pair | None:
    if "accepted" not in record:
        return None
    return float(record["accepted"]), float(record["characters"])


MEASURES: Mapping[Suite, tuple[Measure, ...]] = {
    "complete": (
        Measure("exact_match", _share("exact_match")),
        Measure("edit_similarity", _share("edit_similarity")),
        Measure("chars_saved", _typed),
    ),
    "check": (
        Measure("compile_rate", _share("compiles")),
        Measure("exact_match", _share("exact_match")),
    ),
    "generate": (
        Measure("pass@1", _share("pass@1")),
        Measure("pass@10", _share("pass@10")),
        Measure("compile_rate", _share("compile_rate")),
    ),
    "repair": (
        Measure("fixed", _of_broken("fixed")),
        Measure("solved", _of_broken("solved")),
        Measure("restored", _of_broken("restored")),
        Measure("fixed_without_caution", _of_broken("fixed_without_caution")),
        Measure("edit_similarity", _of_broken("edit_similarity")),
    ),
    "latency": (),
    "memory": (),
}


@dataclass(frozen=True)
class Summary:
    """The mean of each measure over the records that have it, with its 95% interval, and `n`."""

    n: int
    means: Mapping[str, float]
    ci95: Mapping[str, tuple[float, float]]

    def as_json(self) -> dict[str, Any]:
        """Return the measures as plain numbers beside `ci95`."""
        means = {name: round(value, 6) for name, value in self.means.items()}
        ci95 = {name: [round(end, 6) for end in ends] for name, ends in self.ci95.items()}
        return {"n": self.n, **means, "ci95": ci95}


def summarise(records: Sequence[Record], suite: Suite, *, resamples: int, seed: int) -> Summary:
    """Return mean and interval of every measure of `suite` that some record has."""
    means: dict[str, float] = {}
    ci95: dict[str, tuple[float, float]] = {}
    for measure in MEASURES[suite]:
        pairs = [pair for record in records if (pair := measure.of(record)) is not None]
        if pairs:
            values, weights = zip(*pairs, strict=True)
            means[measure.name] = mean_of(values, weights)
            ci95[measure.name] = bootstrap_interval(values, weights, resamples=resamples, seed=seed)
    return Summary(len(records), means, ci95)


LENGTHS = (10, 20, 40, 80, 160)


def length_of(text: str) -> str:
    """Return the name of the bucket of lengths, in characters, that `text` is in."""
    low = 0
    for high in LENGTHS:
        if len(text.strip()) <= high:
            return f"{low + 1}-{high}" if low else f"up to {high}"
        low = high
    return f"over {LENGTHS[-1]}"


def length_order(name: str) -> int:
    """Return where a bucket of lengths stands among the others."""
    digits = "".join(character if character.isdigit() else " " for character in name).split()
    return int(digits[-1]) + name.startswith("over")


def crate_of(path: str) -> str:
    """Return the crate, or the project, that a task's path begins with."""
    return path.split("/", 1)[0] if "/" in path else "-"


TEXT_KEYS: Mapping[str, Callable[[Record], str]] = {
    "kind": lambda record: str(record["kind"]),
    "length": lambda record: length_of(record["middle"]),
    "crate": lambda record: crate_of(record["path"]),
}
"""By what completions are told apart."""


def break_down(
    records: Sequence[Record],
    keys: Mapping[str, Callable[[Record], str | Iterable[str]]],
    suite: Suite,
    *,
    resamples: int,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Return for each key the summaries of the records by what the key says of them.

    A key that gives several names counts the record under each. A breakdown with one row is left
    out. Rows are in the order of their sizes, those of `length` by length.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, key in keys.items():
        groups: dict[str, list[Record]] = {}
        for record in records:
            said = key(record)
            for each in [said] if isinstance(said, str) else said:
                groups.setdefault(each, []).append(record)
        if len(groups) < 2:
            continue
        order = sorted(groups, key=lambda each: (-len(groups[each]), each))
        if name == "length":
            order = sorted(groups, key=length_order)
        found[name] = {
            each: summarise(groups[each], suite, resamples=resamples, seed=seed).as_json()
            for each in order
        }
    return found
