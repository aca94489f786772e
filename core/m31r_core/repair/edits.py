"""Edits of source texts in bytes, as rustc counts them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Edit:
    """Put `text` in the place of the bytes from `start` to `end` (exclusive) of the file `path`.

    `path` is as in the spans of diagnostics.
    """

    path: str
    start: int
    end: int
    text: str

    def __post_init__(self) -> None:
        """Raise ValueError for a range that is none."""
        if not 0 <= self.start <= self.end:
            raise ValueError(f"{self.path}: no range from {self.start} to {self.end}")


def overlap(edits: Iterable[Edit]) -> bool:
    """Whether two of the edits meet: they share a byte, or insert at the same place."""
    ordered = sorted(set(edits))
    return any(
        a.path == b.path and (b.start < a.end or b.start == a.start)
        for a, b in itertools.pairwise(ordered)
    )


def apply_edits(text: bytes, edits: Sequence[Edit]) -> bytes:
    """Return `text` with the edits, all of one file, applied at once.

    Raises ValueError when two of them overlap or one reaches past the end.
    """
    ordered = sorted(set(edits))
    if overlap(ordered):
        raise ValueError(f"{ordered[0].path}: overlapping edits")
    for edit in reversed(ordered):
        if edit.end > len(text):
            raise ValueError(f"{edit.path}: an edit reaches to byte {edit.end} of {len(text)}")
        text = text[: edit.start] + edit.text.encode() + text[edit.end :]
    return text


def lay(edits: Iterable[Edit], text_of: Callable[[str], bytes]) -> dict[str, bytes]:
    """Return the changed files by path. Raises ValueError as `apply_edits`."""
    by_path: dict[str, list[Edit]] = {}
    for edit in edits:
        by_path.setdefault(edit.path, []).append(edit)
    return {path: apply_edits(text_of(path), group) for path, group in by_path.items()}


def difference(path: str, before: bytes, after: bytes) -> list[Edit]:
    """Return the edits, one for each run of changed lines, that turn `before` into `after`."""
    import difflib

    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    starts = [0]
    for line in old:
        starts.append(starts[-1] + len(line))
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    return [
        Edit(path, starts[i1], starts[i2], b"".join(new[j1:j2]).decode("utf-8", "replace"))
        for tag, i1, i2, j1, j2 in matcher.get_opcodes()
        if tag != "equal"
    ]
