"""From the verdicts on single tasks to the plain numbers and intervals of `metrics.json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from m31r_eval.keystrokes import Typing
from m31r_eval.metrics import bootstrap_interval, edit_similarity, exact_match, kept, mean_of
from m31r_eval.tasks import CompleteTask

METRICS = ("exact_match", "edit_similarity", "chars_saved")


@dataclass(frozen=True)
class Score:
    """What one completion of one task is worth."""

    completion: str
    exact: bool
    similarity: float
    typing: Typing | None
    characters: int
    """Characters of the middle that the keystroke simulation types; 0 without one."""

    @classmethod
    def of(cls, task: CompleteTask, completion: str, typing: Typing | None) -> Score:
        """Score `completion`; `typing` is the keystroke simulation's outcome, if it ran."""
        return cls(
            completion=completion,
            exact=exact_match(completion, task.middle, task.kind),
            similarity=edit_similarity(completion, task.middle, task.kind),
            typing=typing,
            characters=len(kept(task.middle, "line")) if typing else 0,
        )

    def as_json(self) -> dict[str, object]:
        """Return the score as it stands in `results.jsonl`."""
        verdict = "exact" if self.exact else "differs" if self.completion.strip() else "empty"
        data: dict[str, object] = {
            "completion": self.completion,
            "verdict": verdict,
            "exact_match": int(self.exact),
            "edit_similarity": round(self.similarity, 6),
        }
        if self.typing:
            data["characters"] = self.characters
            data["accepted"] = self.typing.accepted
            data["keys"] = self.typing.keys
            data["queries"] = self.typing.queries
        return data


@dataclass(frozen=True)
class Summary:
    """The mean of each metric over all tasks, and its 95% bootstrap interval."""

    means: dict[str, float]
    ci95: dict[str, tuple[float, float]]

    def as_json(self) -> dict[str, object]:
        """Return the metrics as plain numbers beside `ci95`."""
        means = {name: round(value, 6) for name, value in self.means.items()}
        ci95 = {name: [round(end, 6) for end in ends] for name, ends in self.ci95.items()}
        return {**means, "ci95": ci95}


def summarise(scores: Sequence[Score], *, resamples: int, seed: int) -> Summary:
    """Return mean and interval of every metric.

    `chars_saved` pools the tasks that were typed: accepted characters over all their characters.
    It is left out when none was.
    """
    typed = [score for score in scores if score.typing]
    columns: dict[str, tuple[list[float], list[float] | None]] = {
        "exact_match": ([float(score.exact) for score in scores], None),
        "edit_similarity": ([score.similarity for score in scores], None),
    }
    if typed:
        accepted = [float(score.typing.accepted) for score in typed if score.typing]
        columns["chars_saved"] = (accepted, [float(score.characters) for score in typed])
    return Summary(
        means={name: mean_of(*column) for name, column in columns.items()},
        ci95={
            name: bootstrap_interval(*column, resamples=resamples, seed=seed)
            for name, column in columns.items()
        },
    )
