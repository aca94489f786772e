"""How much likelier a file becomes by an edit, in the eyes of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from m31r_core.engine import Completer
from m31r_core.repair.candidates import Candidate
from m31r_core.repair.edits import apply_edits, overlap

# A candidate is judged by the lines that it touches, where these are not more than this.
_MOST_LINES = 8
# Places of a file at which candidates are judged: each costs a prefill.
_MOST_PLACES = 2
# Characters before and behind these lines that the model sees: half the cost of all it could see.
_BEFORE, _BEHIND = 1200, 400


@dataclass(frozen=True)
class _Region:
    """The lines of a file that a candidate touches: bytes from `start` to `end`, whole lines."""

    path: str
    start: int
    end: int


def gains(
    completer: Completer,
    candidates: Sequence[Candidate],
    text_of: Callable[[str], bytes],
    *,
    cancelled: Callable[[], bool] | None = None,
) -> list[float | None]:
    """Return what each candidate adds to the log-probability, in nats, of the lines it touches.

    Lines are judged between those around them. None stands for a candidate that was not judged:
    it touches too much, several files, or a place that few others touch.
    """
    answers: list[float | None] = [None] * len(candidates)
    by_region: dict[_Region, list[int]] = {}
    for i, candidate in enumerate(candidates):
        region = _region(candidate, text_of)
        if region is not None:
            by_region.setdefault(region, []).append(i)
    most = sorted(by_region, key=lambda region: -len(by_region[region]))
    for region in most[:_MOST_PLACES]:
        text = text_of(region.path)
        members = by_region[region]
        lines = [text[region.start : region.end]]
        for i in members:
            after = apply_edits(text, candidates[i].edits)
            lines.append(after[region.start : region.end + len(after) - len(text)])
        scores = completer.score(
            region.path,
            text[: region.start].decode("utf-8", "replace")[-_BEFORE:],
            [line.decode("utf-8", "replace") for line in lines],
            text[region.end :].decode("utf-8", "replace")[:_BEHIND],
            cancelled=cancelled,
        )
        for i, score in zip(members, scores[1:], strict=bool(scores)):
            answers[i] = score - scores[0]
    return answers


def _region(candidate: Candidate, text_of: Callable[[str], bytes]) -> _Region | None:
    paths = {edit.path for edit in candidate.edits}
    if len(paths) != 1 or overlap(candidate.edits):
        return None
    path = paths.pop()
    text = text_of(path)
    first = min(edit.start for edit in candidate.edits)
    last = max(edit.end for edit in candidate.edits)
    start = text.rfind(b"\n", 0, first) + 1
    end = text.find(b"\n", last)
    end = len(text) if end < 0 else end + 1
    return _Region(path, start, end) if text.count(b"\n", start, end) <= _MOST_LINES else None
