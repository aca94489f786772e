"""Candidates from rustc's own suggestions, of every applicability."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from m31r_core.cargo.diagnostics import Suggestion
from m31r_core.repair.candidates import Candidate
from m31r_core.repair.cautions import cautions_of
from m31r_core.repair.edits import Edit, overlap
from m31r_core.repair.problem import Problem
from m31r_core.repair.values import fill_placeholders, has_placeholder

_WEIGHTS = {
    "MachineApplicable": 0.95,
    "MaybeIncorrect": 0.75,
    "HasPlaceholders": 0.45,
    "Unspecified": 0.6,
}
_LONGEST_TITLE = 70
_LONGEST_PART = 30


def from_rustc(problem: Problem) -> Iterator[Candidate]:
    """Yield every suggestion of the error, then all those together that do not meet."""
    usable = [
        suggestion
        for suggestion in problem.error.suggestions
        if all(part.span.path in problem.paths for part in suggestion.replacements)
    ]
    for suggestion in usable:
        edits = _edits(suggestion)
        if not has_placeholder([edit.text for edit in edits]):
            yield _candidate(problem, suggestion, edits, _title(problem, suggestion))
        for filled in fill_placeholders([edit.text for edit in edits]):
            parts = [
                Edit(edit.path, edit.start, edit.end, text)
                for edit, text in zip(edits, filled, strict=True)
            ]
            yield _candidate(problem, suggestion, parts, _described(problem, parts))
    for many in (usable, [s for s in usable if s.applicability == "MachineApplicable"]):
        together = [edit for suggestion in many for edit in _edits(suggestion)]
        if len(many) > 1 and not overlap(together):
            title = " and ".join(dict.fromkeys(_title(problem, suggestion) for suggestion in many))
            yield Candidate(title, tuple(together), "rustc", 0.5)


def _edits(suggestion: Suggestion) -> list[Edit]:
    return [
        Edit(part.span.path, part.span.byte_start, part.span.byte_end, part.text)
        for part in suggestion.replacements
    ]


def _candidate(
    problem: Problem, suggestion: Suggestion, edits: Sequence[Edit], title: str
) -> Candidate:
    weight = _WEIGHTS.get(suggestion.applicability, 0.5)
    cautions = cautions_of(edits, problem.text_of)
    if suggestion.applicability == "HasPlaceholders" or "assigning a value" in suggestion.message:
        cautions |= {"invents a value"}
    return Candidate(title, tuple(edits), "rustc", weight, cautions)


def _title(problem: Problem, suggestion: Suggestion) -> str:
    """Say what the suggestion does: its help where that is short and clear, else its edit."""
    used = re.fullmatch(r"\s*use ([^;]+);\s*", suggestion.replacements[0].text)
    if used and len(suggestion.replacements) == 1:
        return f"import `{used[1]}`"
    message = suggestion.message.split("\n")[0]
    message = re.sub(r"^(?:help: )?(?:consider |you (?:can|might|may|could) )?", "", message)
    message = re.sub(
        r"(?:, if possible| here)?:?$|,? (?:but|if|so|to avoid|because|even|before)\b.*",
        "",
        message,
    )
    first, _, rest = message.partition(" ")
    verb = _VERBS.get(first, first if first in _VERBS.values() else "")
    title = f"{verb} {rest}".strip()
    vague = not verb or not rest or len(title) > _LONGEST_TITLE or re.fullmatch(r"\w+ \w+", title)
    return _described(problem, _edits(suggestion)) if vague else title


def _described(problem: Problem, edits: Sequence[Edit]) -> str:
    parts = []
    for edit in edits:
        new = _short(edit.text)
        old = _short(problem.source(edit.path).slice(edit.start, edit.end))
        if not old:
            parts.append(f"insert `{new}`")
        elif not new:
            parts.append(f"remove `{old}`")
        else:
            parts.append(f"write `{new}` instead of `{old}`")
    return " and ".join(dict.fromkeys(parts[:2]))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_PART else line[: _LONGEST_PART - 1] + "…"


_VERBS = {
    "adding": "add",
    "annotating": "annotate",
    "assigning": "assign",
    "borrowing": "borrow",
    "boxing": "box",
    "calling": "call",
    "casting": "cast",
    "changing": "change",
    "cloning": "clone",
    "constraining": "constrain",
    "converting": "convert",
    "creating": "create",
    "declaring": "declare",
    "dereferencing": "dereference",
    "giving": "give",
    "importing": "import",
    "introducing": "introduce",
    "iterating": "iterate",
    "making": "make",
    "moving": "move",
    "removing": "remove",
    "replacing": "replace",
    "restricting": "restrict",
    "returning": "return",
    "specifying": "specify",
    "unwrapping": "unwrap",
    "using": "use",
    "wrapping": "wrap",
}


def machine_applicable(problem_list: Sequence[Problem]) -> list[Edit]:
    """Return the machine-applicable edits of all problems that do not meet, first come."""
    taken: list[Edit] = []
    for problem in problem_list:
        for suggestion in problem.error.suggestions:
            edits = _edits(suggestion)
            if suggestion.applicability == "MachineApplicable" and not overlap(
                itertools.chain(taken, edits)
            ):
                taken += edits
    return taken
