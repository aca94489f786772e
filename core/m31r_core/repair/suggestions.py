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
from m31r_core.repair.values import fill_placeholders

_WEIGHTS = {
    "MachineApplicable": 0.95,
    "MaybeIncorrect": 0.75,
    "HasPlaceholders": 0.45,
    "Unspecified": 0.6,
}
_LONGEST_TITLE = 70


def from_rustc(problem: Problem) -> Iterator[Candidate]:
    """Yield every suggestion of the error, then all those together that do not meet."""
    usable = [
        suggestion
        for suggestion in problem.error.suggestions
        if all(part.span.path in problem.paths for part in suggestion.replacements)
    ]
    for suggestion in usable:
        edits = _edits(suggestion)
        yield _candidate(problem, suggestion, edits)
        for filled in fill_placeholders([edit.text for edit in edits]):
            parts = [
                Edit(edit.path, edit.start, edit.end, text)
                for edit, text in zip(edits, filled, strict=True)
            ]
            yield _candidate(problem, suggestion, parts)
    for many in (usable, [s for s in usable if s.applicability == "MachineApplicable"]):
        together = [edit for suggestion in many for edit in _edits(suggestion)]
        if len(many) > 1 and not overlap(together):
            title = " and ".join(dict.fromkeys(_title(suggestion) for suggestion in many))
            yield Candidate(title, tuple(together), "rustc", 0.5)


def _edits(suggestion: Suggestion) -> list[Edit]:
    return [
        Edit(part.span.path, part.span.byte_start, part.span.byte_end, part.text)
        for part in suggestion.replacements
    ]


def _candidate(problem: Problem, suggestion: Suggestion, edits: Sequence[Edit]) -> Candidate:
    weight = _WEIGHTS.get(suggestion.applicability, 0.5)
    return Candidate(
        _title(suggestion), tuple(edits), "rustc", weight, cautions_of(edits, problem.text_of)
    )


def _title(suggestion: Suggestion) -> str:
    """Say what the suggestion does: its help text, or what it puts where that is short."""
    message = re.sub(
        r"^(?:help: )?(?:consider |you (?:can|might|may) (?:want to )?|try )",
        "",
        (suggestion.message.split("\n")[0]),
    )
    message = re.sub(r"(?:, if possible|:)$", "", _gerund(message)).strip()
    written = " … ".join(part.text.strip() for part in suggestion.replacements if part.text.strip())
    if len(suggestion.replacements) == 1 and 0 < len(written) <= 30 and "`" not in message:
        message = f"{message}: `{written}`"
    return message if len(message) <= _LONGEST_TITLE else message[: _LONGEST_TITLE - 1] + "…"


_VERBS = {
    "borrowing": "borrow",
    "changing": "change",
    "adding": "add",
    "making": "make",
    "removing": "remove",
    "using": "use",
    "cloning": "clone",
    "dereferencing": "dereference",
    "importing": "import",
    "introducing": "introduce",
    "specifying": "specify",
    "annotating": "annotate",
    "constraining": "constrain",
    "restricting": "restrict",
    "wrapping": "wrap",
    "moving": "move",
    "giving": "give",
    "returning": "return",
    "iterating": "iterate",
    "assigning": "assign",
    "calling": "call",
    "converting": "convert",
    "creating": "create",
    "declaring": "declare",
    "replacing": "replace",
    "mutably": "mutably",
}


def _gerund(message: str) -> str:
    """Put the first word in the imperative where it is a gerund."""
    first, space, rest = message.partition(" ")
    return f"{_VERBS.get(first, first)}{space}{rest}"


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
