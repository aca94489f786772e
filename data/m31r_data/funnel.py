"""The funnel: how many files, bytes and tokens are left after each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# Steps in the order in which documents meet them, and the reasons of each. What no step names is
# a matter of quality.
_STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "readable",
        ("not UTF-8", "archive refused:", "a link", "in no crate", "unprintable name", "not Rust"),
    ),
    ("kind and package", ("kind", "package skipped", "vendored copy")),
    ("licence", ("licence",)),
    ("quality", ()),
    ("syntax", ("syntax errors",)),
    ("decontaminated", ("overlaps evaluation",)),
    ("exact duplicates", ("duplicate",)),
    ("near-duplicates", ("near-duplicate",)),
)


def funnel(read: Sequence[int], dropped: Mapping[str, Sequence[int]]) -> list[dict[str, int | str]]:
    """Return a row for what was read and one for what each step left.

    `read` and the values of `dropped` are [files, bytes, tokens]; `dropped` is by reason.
    """
    left = list(read)
    rows = [_row("read", left)]
    for name, _ in _STEPS:
        for reason, total in dropped.items():
            if step_of(reason) == name:
                left = [a - b for a, b in zip(left, total, strict=True)]
        rows.append(_row(name, left))
    return rows


def step_of(reason: str) -> str:
    """Return the name of the step that drops documents for `reason`."""
    for name, reasons in _STEPS:
        if any(reason == each or reason.startswith(f"{each} ") for each in reasons):
            return name
    return "quality"


def _row(step: str, counts: Sequence[int]) -> dict[str, int | str]:
    return {"step": step, **dict(zip(("files", "bytes", "tokens"), counts, strict=True))}
