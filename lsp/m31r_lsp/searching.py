"""One search for code actions: what is wrong at a place, and which repairs rustc accepts.

Runs in a thread of its own. What it finds stays with the state of the crate it was found on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lsprotocol import types

from m31r_core.cargo.compiler import Compiler
from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.cargo.process import Deadline
from m31r_core.engine import Completer
from m31r_core.repair import Candidate, Fix, Proposer, Ranker, RepairLimits, find_fixes, repair_all
from m31r_core.repair.proposals import model_proposals
from m31r_core.repair.ranking import model_ranker
from m31r_core.repair.rewrite import find_rewrites, rewrites_at
from m31r_lsp.crates import Crates, Findings, Watched
from m31r_lsp.matching import Match, locate, match
from m31r_lsp.positions import ByteLines
from m31r_lsp.questions import FIX_ALL, Question
from m31r_lsp.settings import CheckSettings
from m31r_lsp.worker import Cancelled

_MORE_S = 0.5
_ERRORS = 3
_PROPOSALS = 4
_SHARE_WITHOUT_MODEL = 0.6

Look = Callable[[RepairLimits, Cancelled], Iterator[Fix]]


@dataclass(frozen=True)
class Found:
    """A checked change and how to announce it."""

    kind: str
    fix: Fix
    diagnostics: tuple[types.Diagnostic, ...] = ()
    preferred: bool = False


@dataclass(frozen=True)
class Answer:
    """What was found, and the state of the crate that it was checked on."""

    findings: Findings | None
    found: tuple[Found, ...]


def search(
    crates: Crates,
    question: Question,
    settings: CheckSettings,
    model: Callable[[], Completer | None],
    cancelled: Cancelled,
    report: Callable[[str], None],
) -> Answer:
    """Look at the crate, and look for whatever the question wants until the time is up.

    `model` is asked for when it is first needed.

    Raises CargoError when the compiler cannot answer.
    """
    begin = time.monotonic()
    report("reading the crate")
    findings = crates.look(question.folder, question.buffers, Deadline(settings.start_s))
    path = findings.path_of(question.file)
    if path is None or cancelled():
        return Answer(findings, ())
    searcher = _Searcher(findings, settings, model, cancelled, report, begin, question.by_hand)
    found: list[Found] = []
    if question.wanted.quickfix:
        matches = matches_in(findings, path, question)[:_ERRORS]
        for each in matches:
            searcher.fixes(each.error)
        found += quick_fixes(findings, matches)
    if question.wanted.rewrite and not cancelled():
        text = findings.snapshot.text(path)
        offset = ByteLines(text, question.encoding).offset(question.where.start)
        found += [
            Found(types.CodeActionKind.RefactorRewrite.value, fix)
            for fix in searcher.rewrites(path, text, offset)
        ]
    if question.wanted.fix_all and not cancelled():
        fix = searcher.fix_all()
        found += [Found(FIX_ALL, fix)] if fix else []
    return Answer(findings, tuple(found))


def known(findings: Findings, question: Question) -> tuple[tuple[Found, ...], bool]:
    """Return what is known already, and whether there is an error whose repairs were not sought.

    Compiles nothing.
    """
    path = findings.path_of(question.file)
    if path is None:
        return (), False
    matches = matches_in(findings, path, question)[:_ERRORS]
    unsought = any(findings.key(each.error) not in findings.fixes for each in matches)
    return tuple(quick_fixes(findings, matches)), unsought


def matches_in(findings: Findings, path: str, question: Question) -> list[Match]:
    """Return the errors of the snapshot that the question is about."""
    lines = ByteLines(findings.snapshot.text(path), question.encoding)
    located = locate(findings.snapshot.errors, path, lines)
    return match(located, question.diagnostics, question.where)


def quick_fixes(findings: Findings, matches: list[Match]) -> Iterator[Found]:
    """Yield the repairs of the errors, each error's best first; the same change only once."""
    seen = set()
    for each in matches:
        preferred = True
        for fix in findings.fixes.get(findings.key(each.error), ()):
            if fix.edits in seen:
                continue
            seen.add(fix.edits)
            written = any(step.source == "model" for step in fix.steps)
            best = preferred and not fix.cautions and not written
            preferred = preferred and not best
            yield Found(types.CodeActionKind.QuickFix.value, fix, each.diagnostics, best)


@dataclass
class _Searcher:
    findings: Findings
    settings: CheckSettings
    model: Callable[[], Completer | None]
    cancelled: Cancelled
    report: Callable[[str], None]
    begin: float
    by_hand: bool

    def __post_init__(self) -> None:
        self._end = self.begin + self.settings.deadline_s
        self._checks = 0
        self._compiler = Watched(self.findings.snapshot, self._checked)

    def _checked(self) -> None:
        self._checks += 1
        self.report(f"{self._checks} candidates compiled")

    def fixes(self, error: Diagnostic) -> None:
        """Look for the best repairs of `error`, and remember them.

        The model writes some only where there is no other: that takes longer, and what it writes
        compiles but may do something else.
        """
        key = self.findings.key(error)
        if key in self.findings.fixes and not (self.by_hand and key in self.findings.given_up):
            return

        def look(propose: Proposer | None) -> Look:
            return lambda limits, stop: find_fixes(
                self._compiler,
                error,
                limits,
                rank=self._rank(),
                propose=propose,
                cancelled=stop,
            )

        left = self._end - time.monotonic()
        fixes = self._take(look(None), fix_of=error, seconds=_SHARE_WITHOUT_MODEL * left)
        if all(fix.cautions for fix in fixes):
            more = self._take(look(self._propose), fix_of=error)
            fixes += [fix for fix in more if all(fix.edits != other.edits for other in fixes)]
        if self.cancelled():
            return
        fixes.sort(key=lambda fix: bool(fix.cautions))
        self.findings.fixes[key] = tuple(fixes[: self.settings.actions])
        self.findings.given_up.discard(key)
        if not fixes and time.monotonic() > self._end:
            self.findings.given_up.add(key)

    def rewrites(self, path: str, text: bytes, offset: int) -> tuple[Fix, ...]:
        """Return the rewrites at a place, which are remembered."""
        place = (path, offset)
        if place not in self.findings.rewrites:
            if not rewrites_at(text, offset):
                return ()
            fixes = self._take(
                lambda limits, stop: find_rewrites(
                    self._compiler,
                    path,
                    offset,
                    limits,
                    completer=self.model(),
                    cancelled=stop,
                ),
            )
            if self.cancelled():
                return ()
            fixes.sort(key=lambda fix: bool(fix.cautions))
            self.findings.rewrites[place] = tuple(fixes)
        return self.findings.rewrites[place]

    def fix_all(self) -> Fix | None:
        """Return the largest repair without a caution, which is remembered."""
        if "all" not in self.findings.all_fixed:
            left = self.begin + self.settings.fix_all_s - time.monotonic()
            if left <= 0:
                return None
            fix = repair_all(
                self._compiler,
                RepairLimits(seconds=left, cautions=False),
                rank=self._rank(),
                cancelled=self.cancelled,
            )
            if self.cancelled():
                return None
            usable = fix is not None and fix.verdict.passed and not fix.cautions
            self.findings.all_fixed["all"] = fix if usable else None
        return self.findings.all_fixed["all"]

    def _rank(self) -> Ranker | None:
        completer = self.model()
        return model_ranker(completer, cancelled=self.cancelled) if completer else None

    def _propose(self, compiler: Compiler, error: Diagnostic) -> Sequence[Candidate]:
        """What the model would write; not for all errors at once: nobody reads those."""
        completer = self.model()
        if completer is None:
            return ()
        return model_proposals(completer, compiler, error, n=_PROPOSALS, cancelled=self.cancelled)

    def _take(
        self, look: Look, *, fix_of: Diagnostic | None = None, seconds: float = math.inf
    ) -> list[Fix]:
        """Return the first fixes that `look` finds; after the first it is given little time.

        It has `seconds` at most, and no more than are left.
        """
        fixes: list[Fix] = []
        end = min(self._end, time.monotonic() + seconds)
        left = end - time.monotonic()
        if left <= 0:
            return []

        def stop() -> bool:
            return self.cancelled() or time.monotonic() > end

        for fix in look(RepairLimits(seconds=left), stop):
            if not fix.verdict.passed or (fix_of is not None and not fix.repairs(fix_of)):
                continue
            if all(fix.edits != other.edits for other in fixes):
                fixes.append(fix)
            end = min(end, time.monotonic() + _MORE_S) if len(fixes) == 1 else end
            if len(fixes) == self.settings.actions or stop():
                break
        return fixes
