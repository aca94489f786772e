"""What the model would write where rustc points, as candidates among the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from m31r_core.cargo.compiler import Compiler
from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.engine import Completer, CompletionRequest
from m31r_core.repair.candidates import Candidate, Proposer
from m31r_core.repair.cautions import cautions_of
from m31r_core.repair.edits import Edit, apply_edits
from m31r_core.repair.source import SourceText, statement_of
from m31r_core.syntax import error_share

# The weight of a proposal that the model is certain of.
_HIGHEST_WEIGHT = 0.4
_MOST_TOKENS = 48
_LONGEST_STATEMENT = 300
_LONGEST_TITLE = 30
_REFUSED = re.compile(r"\b(?:todo|unimplemented|unreachable|panic)!")


def proposer(completer: Completer, *, n: int = 6) -> Proposer:
    """Return the proposals of a model in the form that a search asks for."""
    return lambda compiler, error: model_proposals(completer, compiler, error, n=n)


def model_proposals(
    completer: Completer,
    compiler: Compiler,
    error: Diagnostic,
    *,
    n: int,
    cancelled: Callable[[], bool] | None = None,
) -> list[Candidate]:
    """Return up to `n` ways to write what rustc points at, its line or its statement anew.

    Each differs from what is there and has no more syntax errors. Nothing is checked yet.
    """
    span = error.primary
    if span is None or span.path not in compiler.paths():
        return []
    source = SourceText(span.path, compiler.text(span.path))
    before = error_share(source.text)
    places = list(_places(source, span.byte_start, span.byte_end))
    found: dict[Edit, Candidate] = {}
    for i, (start, end) in enumerate(places):
        share = (n - len(found)) // (len(places) - i)
        old = source.slice(start, end)
        request = CompletionRequest(
            span.path,
            source.slice(0, start),
            source.slice(end, len(source.text)),
            kind="block" if "\n" in old else "line",
            max_new_tokens=_MOST_TOKENS,
        )
        if share <= 0:
            continue
        for completion in completer.candidates(request, share, cancelled=cancelled):
            new = completion.text.rstrip()
            edit = Edit(span.path, start, end, new)
            if not new.strip() or new.split() == old.split() or _REFUSED.search(new):
                continue
            if error_share(apply_edits(source.text, [edit])) > before:
                continue
            found.setdefault(
                edit,
                Candidate(
                    f"write {_short(new)} in the place of {_short(old)}",
                    (edit,),
                    "model",
                    _HIGHEST_WEIGHT * completion.evidence(0, len(completion.text)).mean_probability,
                    cautions_of([edit], compiler.text),
                ),
            )
    return list(found.values())


def _places(source: SourceText, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges to be written anew: the span, its line, its statement; each once."""
    seen: set[tuple[int, int]] = set()
    line = source.line_start(start)
    line_end = source.line_end(start)
    text = source.text[line:line_end]
    indent = len(text) - len(text.lstrip(b" \t"))
    ranges = [(start, end), (line + indent, line + len(text.rstrip()))]
    statement = statement_of(source.around(start, end, *_ANY) or source.node(start, end))
    if statement is not None and statement.end_byte - statement.start_byte <= _LONGEST_STATEMENT:
        ranges.append((statement.start_byte, statement.end_byte))
    for each in ranges:
        if each[0] < each[1] and each not in seen and b"\n" not in source.text[start:end]:
            seen.add(each)
            yield each


_ANY = ("let_declaration", "expression_statement")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return f"`{line if len(line) <= _LONGEST_TITLE else line[: _LONGEST_TITLE - 1] + '…'}`"
