"""What the manifest of a dataset says, whatever it leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_UNITS = ("", "k", "M", "G", "T")
_STEP = 1000


@dataclass(frozen=True)
class Amount:
    """How much: of a step, a reason, a split."""

    name: str
    files: int = 0
    bytes: int = 0
    tokens: int = 0


@dataclass(frozen=True)
class Example:
    """The beginning of a file that was left out."""

    place: str
    head: str


@dataclass(frozen=True)
class Reason:
    """Why files were left out, how much they hold, and some of them."""

    amount: Amount
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Facts:
    """All that a report shows; what the manifest does not say is empty."""

    funnel: tuple[Amount, ...]
    reasons: tuple[Reason, ...]
    splits: tuple[Amount, ...]
    sets: dict[str, dict[str, int]]
    licences: dict[str, int]
    masked: dict[str, int]
    compiles: dict[str, int]
    lengths: dict[str, int]


def facts_of(manifest: Mapping[str, Any]) -> Facts:
    """Read a manifest. Values of another shape than expected count as left out.

    `token_lengths`, files by the power of two that their number of tokens is below, is optional
    like everything else.
    """
    reasons = [_reason(name, each) for name, each in _mapping(manifest.get("dropped")).items()]
    splits = {key: _counts(manifest.get(key)) for key in ("documents", "text_bytes", "tokens")}
    names = dict.fromkeys(name for counts in splits.values() for name in counts)
    sets = {name: _counts(each) for name, each in _mapping(manifest.get("sets")).items()}
    return Facts(
        funnel=tuple(_amount(str(row.get("step", "")), row) for row in _rows(manifest, "funnel")),
        reasons=tuple(sorted(reasons, key=lambda each: (-each.amount.files, each.amount.name))),
        splits=tuple(
            Amount(name, *(counts.get(name, 0) for counts in splits.values())) for name in names
        ),
        sets={name: counts for name, counts in sets.items() if counts},
        licences=_most_first(_counts(manifest.get("licences"))),
        masked=_most_first(_counts(manifest.get("masked"))),
        compiles=_counts(manifest.get("compiles")),
        lengths=_counts(manifest.get("token_lengths")),
    )


def count(number: int) -> str:
    """Return a number with commas."""
    return f"{number:,}"


def short(number: int) -> str:
    """Return a number in three or four characters: 950, 1.2k, 35M."""
    value = float(number)
    for unit in _UNITS[:-1]:
        if abs(value) < _STEP - 0.5:
            digits = 1 if unit and abs(value) < 9.95 else 0
            return f"{value:.{digits}f}{unit}"
        value /= _STEP
    return f"{value:.0f}{_UNITS[-1]}"


def share(part: int, whole: int) -> str:
    """Return a share in percent, or nothing when there is no whole."""
    return f"{100 * part / whole:.1f}%" if whole else ""


def _reason(name: object, value: object) -> Reason:
    if isinstance(value, int):
        return Reason(Amount(str(name), files=value), ())
    content = _mapping(value)
    examples = tuple(
        Example(_place(each), str(each.get("head", ""))) for each in _rows(content, "examples")
    )
    return Reason(_amount(str(name), content), examples)


def _place(example: Mapping[str, Any]) -> str:
    parts = (str(example.get(key) or "") for key in ("package", "version", "path"))
    return " ".join(part for part in parts if part)


def _amount(name: str, content: Mapping[str, Any]) -> Amount:
    return Amount(name, *(_number(content.get(key)) for key in ("files", "bytes", "tokens")))


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _counts(value: object) -> dict[str, int]:
    return {str(name): n for name, n in _mapping(value).items() if isinstance(n, int)}


def _most_first(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _rows(content: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = content.get(key)
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []
