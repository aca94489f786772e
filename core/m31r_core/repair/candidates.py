"""What may repair an error, before anybody has checked it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from m31r_core.cargo.compiler import Compiler
from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.repair.edits import Edit

Source = Literal["rustc", "template", "name", "model"]
"""Where a candidate comes from: rustc's suggestion, an edit template, a close name, the model."""

Caution = Literal[
    "deletes code",
    "adds todo!()",
    "may panic",
    "adds unsafe",
    "adds unwrap()",
    "weakens a type",
    "invents a value",
    "changes the order",
]
"""How a candidate can silence an error without repairing what is wrong."""


@dataclass(frozen=True)
class Candidate:
    """Edits that belong together.

    `title` says what changes, in the imperative and without a full stop ("borrow `name` instead
    of moving it"). `weight` is the prior of its template, 0 to 1: how often such an edit is the
    repair that was meant.
    """

    title: str
    edits: tuple[Edit, ...]
    source: Source
    weight: float = 0.5
    cautions: frozenset[Caution] = frozenset()


Ranker = Callable[[Compiler, Diagnostic, Sequence[Candidate]], Sequence[float]]
"""Score candidates for one error, higher is better; the model's likelihood where there is one."""

Proposer = Callable[[Compiler, Diagnostic], Sequence[Candidate]]
"""Candidates for an error from elsewhere than rustc and the templates: the model."""
