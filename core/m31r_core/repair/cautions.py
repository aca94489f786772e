"""How an edit can silence an error without repairing what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from m31r_core.repair.candidates import Caution
from m31r_core.repair.edits import Edit

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
    r"\??\w+: ?[\w<>&:', +?]+|<[^<>]*>|where [^{}]*|#!?\[[^\]]*\]|//[^\n]*|\?\w+|[*&!+-]+)\s*)+",
)


def cautions_of(edits: Iterable[Edit], text_of: Callable[[str], bytes]) -> frozenset[Caution]:
    """Return what the edits of one candidate add or take away that may silence the error only.

    Nothing that stood in the replaced text counts as added. Code counts as deleted when something
    that runs is taken away and nothing is put anywhere in its place.
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
    if runs and not re.search(r"\w", added):
        found.add("deletes code")
    return frozenset(found)
