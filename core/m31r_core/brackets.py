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
    return [bracket for _, bracket in _closers_outside(text)]


def first_closed_outside(text: str) -> int | None:
    """Return the index of the first closer of `text` whose opener lies before it, or None."""
    return next((index for index, _ in _closers_outside(text)), None)


def unclosed(before: str, after: str) -> list[str]:
    """Return the openers of `before` that nothing in `after` closes, outermost first.

    A closer at the beginning of its line closes what was opened in a line indented as far; any
    other, and one that finds none such, the nearest that fits. What is skipped the user has yet to
    close.
    """
    openers: list[tuple[str, int]] = []
    for index, bracket in brackets(before):
        if bracket not in _PAIRS:
            openers.append((bracket, _indentation(before, index)))
        elif openers and matches(openers[-1][0], bracket):
            openers.pop()
    for index, bracket in _closers_outside(after):
        _close(openers, bracket, after, index)
    return [opener for opener, _ in openers]


def _close(openers: list[tuple[str, int]], closer: str, text: str, index: int) -> None:
    fitting = [i for i, (opener, _) in enumerate(openers) if matches(opener, closer)]
    line = text.rfind("\n", 0, index) + 1
    if line and not text[line:index].strip():
        aligned = [i for i in fitting if openers[i][1] == index - line]
        fitting = aligned or fitting
    if fitting:
        del openers[fitting[-1]]


def _indentation(text: str, index: int) -> int:
    """Return how many blanks the line that holds `index` begins with."""
    line = text[text.rfind("\n", 0, index) + 1 : index]
    return len(line) - len(line.lstrip(" \t"))


def _closers_outside(text: str) -> Iterator[tuple[int, str]]:
    """Yield the index and the character of each closer whose opener lies before `text`."""
    inner = 0
    for index, bracket in brackets(text):
        if bracket not in _PAIRS:
            inner += 1
        elif inner:
            inner -= 1
        else:
            yield index, bracket


def is_closer(bracket: str) -> bool:
    """Say whether `bracket` closes."""
    return bracket in _PAIRS
