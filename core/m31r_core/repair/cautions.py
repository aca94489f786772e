"""How an edit can silence an error without repairing what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from m31r_core.repair.candidates import Caution
from m31r_core.repair.edits import Edit

PENALTIES: Mapping[Caution, float] = {
    "deletes code": 2.0,
    "adds todo!()": 2.0,
    "may panic": 1.2,
    "adds unsafe": 1.0,
    "adds unwrap()": 0.8,
    "weakens a type": 0.8,
    "invents a value": 0.6,
    "changes the order": 0.4,
}
"""What a caution costs where states are compared; a candidate's weight is worth at most 1."""
_ADDED: tuple[tuple[Caution, str], ...] = (
    ("adds unsafe", r"\bunsafe\b"),
    ("adds todo!()", r"\b(?:todo|unimplemented|unreachable)!"),
    ("adds unwrap()", r"\.(?:unwrap|expect)\("),
    ("may panic", r"\bpanic!"),
)
# What runs nothing: modifiers, lifetimes, annotations, imports, empty and unused statements.
_DECORATION = re.compile(
    r"\s*(?:(?:mut|pub(?:\s*\([\w: ]+\))?|ref|move|dyn|const|unsafe|async|static|default|let|"
    r"extern(?: \"\w+\")?|\.\w+\(\)|\.await|(?:pub )?use [^;]*;|\w+::|'\w+[,:]?|"
    r"(?:[A-Z]\w*|'\w+): ?[\w<>&:', +?]+|<[^<>]*>|where [^{}]*|#!?\[[^\]]*\]|//[^\n]*|"
    r"\?\w+|[*&!+-]+)\s*)+",
)

# Functions and macros, not constructors, which begin with a capital.
_ATTRIBUTE = re.compile(r"#!?\[[^\]]*\]")
_CALLED = re.compile(r"\b([a-z_]\w*)!?\s*\(")
_CONVERSIONS = re.compile(
    r"(?:as|from|into|to)(?:_\w+)?|borrow(?:_mut)?|clone[d]?|copied|deref|expect|iter(?:_mut)?|lock|new|"
    r"unwrap(?:_or_default)?"
)


def cautions_of(edits: Iterable[Edit], text_of: Callable[[str], bytes]) -> frozenset[Caution]:
    """Return what the edits of one candidate add or take away that may silence the error only.

    Nothing that stood in the replaced text counts as added. Code counts as deleted when something
    that runs is taken away and nothing is put anywhere in its place, or when a function or macro
    is called no more. Conversions, which a repair may well remove, are not counted.
    """
    edits = list(edits)
    added = " ".join(edit.text for edit in edits)
    taken = [text_of(edit.path)[edit.start : edit.end].decode("utf-8", "replace") for edit in edits]
    before = " ".join(taken)
    found: set[Caution] = {
        caution
        for caution, pattern in _ADDED
        if len(re.findall(pattern, added)) > len(re.findall(pattern, before))
    }
    runs = [text for text in taken if re.search(r"\w", text) and not _DECORATION.fullmatch(text)]
    if (runs and not re.search(r"[\w()]", added)) or _calls_less(before, added):
        found.add("deletes code")
    return frozenset(found)


def _calls_less(before: str, added: str) -> bool:
    """Whether fewer functions are called, and one of them is not even mentioned any more."""
    old, new = (_CALLED.findall(_ATTRIBUTE.sub("", text)) for text in (before, added))
    lost = [name for name in old if not re.search(rf"\b{name}\b", added)]
    return len(new) < len(old) and not all(map(_CONVERSIONS.fullmatch, lost))


def is_grave(cautions: frozenset[Caution]) -> bool:
    """Whether a candidate is worth trying only when nothing else passes."""
    return bool(cautions & {"deletes code", "adds todo!()", "may panic"})


def penalty(cautions: Iterable[Caution]) -> float:
    """Return what these cautions cost together."""
    return sum(PENALTIES[caution] for caution in cautions)
