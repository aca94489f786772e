"""Only what the compiler accepts leaves here, in the order in which it was proposed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from m31r_core.cargo.compiler import Compiler, Verdict
from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.cargo.process import CargoError, Deadline
from m31r_core.repair.candidates import Candidate
from m31r_core.repair.edits import Edit, lay
from m31r_core.repair.fixes import Fix
from m31r_core.repair.source import SourceText, field, walk

# A use after a move: rustc says so in its last phase, or it does not look at the body at all.
_PROBE = (
    " struct M31rProbe; let m31r_probe = M31rProbe; let _one = m31r_probe; let _two = m31r_probe;"
)


class Checker:
    """The checks of one search: what they cost together, and until when they may go on."""

    def __init__(
        self,
        compiler: Compiler,
        seconds: float,
        total: int,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        """Allow `seconds` of wall time and `total` compilations from now on."""
        self.compiler = compiler
        self.checks = 0
        self._total = total
        self._started = time.monotonic()
        self._deadline = Deadline(seconds)
        self._cancelled = cancelled or (lambda: False)
        self._bodies_are_looked_at: bool | None = None

    def exhausted(self) -> bool:
        """Whether time or checks are used up, or nobody wants the answer any more."""
        late = time.monotonic() - self._started >= self._deadline.seconds
        return late or self.checks >= self._total or self._cancelled()

    def verdict(self, changes: Mapping[str, bytes]) -> Verdict | None:
        """Return what the compiler says of changed texts, None where it has no answer."""
        if self.exhausted():
            return None
        self.checks += 1
        return self._check(changes)

    def passing(
        self, candidates: Sequence[Candidate], repaired: Collection[Diagnostic] = ()
    ) -> Iterator[tuple[Candidate, Verdict]]:
        """Yield the candidates that add no error and take those of `repaired` away, in order.

        As many as the compiler has lanes are checked at a time, the probe among the first.
        """
        wanted = {error.identity for error in repaired}
        lanes = max(1, self.compiler.lanes)
        with ThreadPoolExecutor(max_workers=lanes) as pool:
            start = 0
            while start < len(candidates) and not self.exhausted():
                probe = start == 0 and self._bodies_are_looked_at is None and not wanted
                batch = candidates[start : start + max(1, lanes - probe)]
                start += len(batch)
                laid = [lay(candidate.edits, self.compiler.text) for candidate in batch]
                probed = _probed(batch[0].edits[0], laid[0]) if probe else None
                work = [*laid, probed] if probed is not None else laid
                self.checks += len(work)
                verdicts = list(pool.map(self._check, work))
                if probed is not None and _names_probe(verdicts.pop()):
                    self._bodies_are_looked_at = True
                for candidate, changes, verdict in zip(batch, laid, verdicts, strict=True):
                    if (
                        verdict is not None
                        and verdict.passed
                        and wanted <= {error.identity for error in verdict.gone}
                        and (
                            (wanted and not verdict.errors)
                            or self._is_looked_at(candidate, changes)
                        )
                    ):
                        yield candidate, verdict

    def fix(self, candidate: Candidate, verdict: Verdict) -> Fix:
        """Return a candidate that passed as a fix."""
        seconds = time.monotonic() - self._started
        return Fix(candidate.edits, (candidate,), verdict, self.checks, seconds)

    def _check(self, changes: Mapping[str, bytes]) -> Verdict | None:
        try:
            return self.compiler.check(changes, self._deadline)
        except CargoError:
            return None

    def _is_looked_at(self, candidate: Candidate, changes: Mapping[str, bytes]) -> bool:
        """Whether rustc comes as far as the body.

        It does not where an error elsewhere stops it before, nor in code for another platform
        or for tests that it was not asked to compile. Asked once: a search is about one place.
        """
        if self._bodies_are_looked_at is None:
            probed = _probed(candidate.edits[0], changes)
            if probed is None:
                return True
            self.checks += 1
            self._bodies_are_looked_at = _names_probe(self._check(probed))
        return self._bodies_are_looked_at


def _names_probe(verdict: Verdict | None) -> bool:
    return verdict is not None and any("m31r_probe" in error.message for error in verdict.new)


def _probed(edit: Edit, changes: Mapping[str, bytes]) -> dict[str, bytes] | None:
    """Put the probe into the body that the edit is in, or else the first one that it wrote."""
    source = SourceText(edit.path, changes[edit.path])
    function = source.around(edit.start, edit.start + 1, "function_item")
    if function is None:
        end = edit.start + len(edit.text.encode())
        written = (
            node
            for node in walk(source.tree.root_node, "function_item")
            if edit.start <= node.start_byte < end
        )
        function = next(written, None)
    body = field(function, "body")
    if body is None:
        return None
    place = body.start_byte + 1
    text = source.text[:place] + _PROBE.encode() + source.text[place:]
    return {**changes, edit.path: text}
