"""How much typing a completer saves: a line typed character by character with ghost text on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from m31r_eval.metrics import common_prefix

Suggest = Callable[[str], str]
"""Given the part of the middle that is typed already, the text suggested after it."""


@dataclass(frozen=True)
class Typing:
    """What one simulated line cost."""

    accepted: int
    """Characters that came from an accepted suggestion."""
    keys: int
    """Keys pressed: typed characters, and one to accept."""
    queries: int
    """Suggestions asked for."""


def simulate(middle: str, suggest: Suggest, *, queries: int, first: str | None = None) -> Typing:
    """Type the right-stripped first line of `middle`, accepting what is right.

    A suggestion is asked for at the cursor. If its first line, right-stripped, equals the whole
    rest of the line, it is accepted with one key. Otherwise the user types on: a suggestion stays
    on screen while the typed characters agree with it, and a new one is asked for after the first
    character that does not. At most `queries` suggestions are asked for, none for fewer than two
    remaining characters (accepting one character saves no key); then the rest is typed.
    `first` is the suggestion at the cursor where it is known already; it counts as a query.
    """
    line = middle.split("\n", 1)[0].rstrip()
    typed = asked = 0
    while asked < queries and len(line) - typed >= 2:
        text = first if asked == 0 and first is not None else suggest(line[:typed])
        asked += 1
        suggestion, rest = text.split("\n", 1)[0].rstrip(), line[typed:]
        if suggestion == rest:
            return Typing(accepted=len(rest), keys=typed + 1, queries=asked)
        typed += common_prefix(suggestion, rest) + 1
    return Typing(accepted=0, keys=len(line), queries=asked)
