"""One error with all that a template may look at, and short ways to write candidates."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from tree_sitter import Node

from m31r_core.cargo.diagnostics import Diagnostic, Span
from m31r_core.repair.candidates import Candidate, Caution, Source
from m31r_core.repair.cautions import cautions_of
from m31r_core.repair.edits import Edit
from m31r_core.repair.source import SourceText, source_text

_MOST_FILES = 40
_QUOTED = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Problem:
    """An error in files that are as `text_of` says.

    `paths` are the user's files; an edit may be made in these alone.
    """

    error: Diagnostic
    text_of: Callable[[str], bytes]
    paths: tuple[str, ...]

    def source(self, path: str) -> SourceText:
        """Return the file that diagnostics call `path`."""
        return source_text(path, self.text_of(path))

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield path and text of the user's files, that of the error first."""
        here = self.span.path
        for path in sorted(self.paths, key=lambda path: (path != here, path)):
            yield path, self.text_of(path)

    def texts(self) -> Iterator[bytes]:
        """Yield the texts of the user's files, that of the error first."""
        for _, text in self.files():
            yield text

    def sources(self) -> Iterator[SourceText]:
        """Yield the user's files, that of the error first; no more than are worth a look."""
        for path, _ in itertools.islice(self.files(), _MOST_FILES):
            yield self.source(path)

    @property
    def span(self) -> Span:
        """The primary span. Templates are not asked about errors that have none."""
        assert self.error.primary is not None
        return self.error.primary

    @cached_property
    def here(self) -> SourceText:
        """The file of the primary span."""
        return self.source(self.span.path)

    @cached_property
    def node(self) -> Node:
        """The syntax node of the primary span."""
        return self.node_of(self.span)

    @cached_property
    def code(self) -> str:
        """The text of the primary span."""
        return self.here.slice(self.span.byte_start, self.span.byte_end)

    @cached_property
    def quoted(self) -> list[str]:
        """What stands between backticks in the message."""
        return _QUOTED.findall(self.error.message)

    def spans(self) -> Iterator[Span]:
        """Yield the error's spans in the user's files, the primary one first, then its notes'."""
        own = sorted(self.error.spans, key=lambda span: not span.is_primary)
        notes = [span for note in self.error.notes for span in note.spans]
        yield from (span for span in (*own, *notes) if span.path in self.paths)

    def labelled(self, pattern: str) -> Iterator[Span]:
        """Yield the spans whose label matches `pattern` anywhere."""
        for span in self.spans():
            if span.label and re.search(pattern, span.label):
                yield span

    def noted(self, pattern: str) -> Iterator[Span]:
        """Yield the primary spans of the notes whose message matches `pattern` anywhere."""
        for note in self.error.notes:
            if re.search(pattern, note.message):
                yield from (
                    span for span in note.spans if span.is_primary and span.path in self.paths
                )

    def node_of(self, span: Span) -> Node:
        """Return the syntax node of a span."""
        return self.source(span.path).node(span.byte_start, span.byte_end)

    def edit(self, span: Span, text: str) -> Edit:
        """Return the edit that puts `text` in the place of a span."""
        return Edit(span.path, span.byte_start, span.byte_end, text)

    def propose(
        self,
        title: str,
        edits: Edit | Iterable[Edit],
        weight: float,
        *cautions: Caution,
        source: Source = "template",
    ) -> Candidate:
        """Return a candidate of a template; what its edits show adds to its `cautions`."""
        together = (edits,) if isinstance(edits, Edit) else tuple(edits)
        seen = cautions_of(together, self.text_of)
        return Candidate(title, together, source, weight, seen | frozenset(cautions))

    def invent(self, title: str, edits: Edit | Iterable[Edit], weight: float) -> Candidate:
        """Return a candidate that puts a value or an item where the user has to know better."""
        return self.propose(title, edits, weight, "invents a value")

    @cached_property
    def expected_found(self) -> tuple[str, str]:
        """The types of a mismatch, as rustc writes them; empty where it names none."""
        for text in [span.label or "" for span in self.error.spans if span.is_primary] + [
            note.message for note in self.error.notes
        ]:
            pair = _expected_found(text)
            if pair != ("", ""):
                return pair
        return "", ""


_TYPE = r"(?:[a-z\-/ ]*?)(?:`(?P<{0}>.+?)`|(?P<{0}_word>integer|floating-point number|\w+))"
_MISMATCH = re.compile(
    r"expected " + _TYPE.format("e") + r"(?:,|\n)?\s*found " + _TYPE.format("f") + r"(?:$|\n|,| )",
)


def _expected_found(text: str) -> tuple[str, str]:
    match = _MISMATCH.search(text)
    if match is None:
        return "", ""
    return match["e"] or match["e_word"] or "", match["f"] or match["f_word"] or ""
