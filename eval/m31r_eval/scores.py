"""What one completion of one task is worth."""

from __future__ import annotations

from dataclasses import dataclass

from m31r_eval.keystrokes import Typing
from m31r_eval.metrics import edit_similarity, exact_match, kept
from m31r_eval.tasks import CompleteTask


@dataclass(frozen=True)
class Score:
    """A completion, judged by the text that stood there."""

    completion: str
    exact: bool
    similarity: float
    typing: Typing | None
    characters: int
    """Characters of the middle that the keystroke simulation types; 0 without one."""

    @classmethod
    def of(cls, task: CompleteTask, completion: str, typing: Typing | None = None) -> Score:
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
