"""What a codeAction request asks. Light to import, unlike what answers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lsprotocol import types

from m31r_lsp.documents import Encoding

FIX_ALL = f"{types.CodeActionKind.SourceFixAll.value}.m31r"


@dataclass(frozen=True)
class Wanted:
    """The kinds of action to look for."""

    quickfix: bool
    rewrite: bool
    fix_all: bool

    @classmethod
    def of(cls, only: Sequence[str]) -> Wanted:
        """Read the client's `only`; without one everything but what changes whole files."""
        if not only:
            return cls(quickfix=True, rewrite=True, fix_all=False)

        def asked(kind: str) -> bool:
            return any(kind == each or kind.startswith(f"{each}.") for each in only if each)

        return cls(
            quickfix=asked(types.CodeActionKind.QuickFix.value),
            rewrite=asked(types.CodeActionKind.RefactorRewrite.value),
            fix_all=asked(FIX_ALL),
        )

    @property
    def anything(self) -> bool:
        """Whether there is anything to look for."""
        return self.quickfix or self.rewrite or self.fix_all


@dataclass(frozen=True)
class Question:
    """What a codeAction request asks, with all the text that the answer depends on.

    `state` changes whenever a text does; `buffers` are the texts of the open files, `file` among
    them; `only` says that the client named the kinds it wants,
    `by_hand` that the user waits.
    """

    state: object
    folder: Path
    file: Path
    buffers: Mapping[Path, str]
    encoding: Encoding
    where: types.Range
    diagnostics: tuple[types.Diagnostic, ...]
    wanted: Wanted
    only: bool = False
    by_hand: bool = True

    @property
    def key(self) -> object:
        """What questions have in common that have the same answer."""
        where = self.where
        return (
            self.state,
            self.file,
            (where.start.line, where.start.character, where.end.line, where.end.character),
            tuple(f"{each.code} {each.range} {each.message}" for each in self.diagnostics),
            self.wanted,
        )
