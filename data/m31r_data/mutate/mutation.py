"""One way to break a file: what a mutator proposes and the laboratory tries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Phase = Literal["syntax", "resolve", "types", "borrow"]


@dataclass(frozen=True)
class Mutation:
    """Replace the bytes `start` to `end` of a file's UTF-8 text by `new`.

    `mutator` names the kind. `phase` is the phase of rustc in which it is likely to fail. `scope`
    is the byte range, in the unbroken file, of the body of the innermost function outside which
    no error can appear, or None where the mutation can be felt elsewhere (signatures, items,
    imports): mutations in different scopes can be tried in one run of rustc.
    """

    mutator: str
    start: int
    end: int
    new: bytes
    phase: Phase
    scope: tuple[int, int] | None = None
