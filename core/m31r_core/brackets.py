"""Brackets in Rust text, those in strings, characters and comments left out."""

from __future__ import annotations

import re
from collections.abc import Iterator

_PAIRS = {")": "(", "]": "[", "}": "{"}
_TOKEN = re.compile(
    r"""
      //[^\n]*
    | /\*.*?(?:\*/|\Z)
    | r(?P<hashes>\#*)".*?(?:"(?P=hashes)|\Z)
    | "(?:\\.|[^"\\])*(?:"|\Z)
    | '(?:\\u\{[^}]*\}|\\.[^']?[^']?|[^\\'])'
    | (?P<bracket>[()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)


def brackets(text: str) -> Iterator[tuple[int, str]]:
    """Yield the index and the character of each bracket in code."""
    for match in _TOKEN.finditer(text):
        if match["bracket"]:
            yield match.start(), match["bracket"]


def matches(opener: str, closer: str) -> bool:
    """Say whether the two make a pair."""
    return _PAIRS[closer] == opener


def open_within(text: str) -> list[str]:
    """Return the openers of `text` that it does not close, outermost first."""
    stack: list[str] = []
    for _, bracket in brackets(text):
        if bracket not in _PAIRS:
            stack.append(bracket)
        elif stack and matches(stack[-1], bracket):
            stack.pop()
    return stack


def closed_outside(text: str) -> list[str]:
    """Return the closers of `text` whose openers lie before it, in order."""
    stack: list[str] = []
    closers: list[str] = []
    for _, bracket in brackets(text):
        if bracket not in _PAIRS:
            stack.append(bracket)
        elif stack:
            stack.pop()
        else:
            closers.append(bracket)
    return closers


def is_closer(bracket: str) -> bool:
    """Say whether `bracket` closes."""
    return bracket in _PAIRS
