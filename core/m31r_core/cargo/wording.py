"""What rustc says, in few words: the text that a model reads beside the lines to repair."""

from __future__ import annotations

import re
from collections.abc import Sequence

from m31r_core.cargo.diagnostics import Diagnostic, Span

_ERRORS = 3
_SNIPPET = 60
_NOTE = 160
_SOURCE = re.compile(r"(?<![\w./-])/[^\s:'\"`]+\.rs\b")
_HERE_ONLY = ("long-type-", "--verbose", "-Z verbose")


def wording(diagnostics: Sequence[Diagnostic]) -> str:
    """Return code, message and labels of the first errors, the places named by their text.

        E0382: borrow of moved value: `names`
        `names`: value borrowed here after move
        `names`: value moved here

    Lines, columns and paths are left out: they change with every edit above.
    """
    lines: list[str] = []
    for diagnostic in diagnostics[:_ERRORS]:
        code = f"{diagnostic.code}: " if diagnostic.code else ""
        lines.append(code + " ".join(diagnostic.message.split()))
        spans = sorted(diagnostic.spans, key=lambda span: not span.is_primary)
        lines += [_label(span, span.label) for span in spans if span.label]
        lines += [
            f"{note.level}: {' '.join(note.message.split())}"
            for note in diagnostic.notes
            if not note.spans and note.level == "note" and len(note.message) <= _NOTE
        ]
    return portable("\n".join(dict.fromkeys(lines)))


def portable(said: str) -> str:
    """Return rustc's words without what is true of one machine and one run only.

    Absolute paths of sources keep their last three parts; lines that name a file which rustc
    wrote, or an option to see more, are left out.
    """
    kept = [line for line in said.split("\n") if not any(each in line for each in _HERE_ONLY)]
    return _SOURCE.sub(lambda path: "/".join(path[0].split("/")[-3:]), "\n".join(kept))


def _label(span: Span, label: str) -> str:
    text, said = snippet(span), " ".join(label.split())
    return f"`{text}`: {said}" if text else said


def snippet(span: Span) -> str:
    """Return the text of a span, its first line, cut where it is long."""
    if not span.text:
        return ""
    first = span.text[0]
    end = span.column_end - 1 if len(span.text) == 1 else len(first)
    text = first[span.column_start - 1 : end].strip()
    cut = len(text) > _SNIPPET or len(span.text) > 1
    return text[:_SNIPPET].rstrip() + ("…" if cut else "")
