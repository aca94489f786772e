"""The compiler of one state of a workspace: fast where it can be, cargo where it must be."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from m31r_core.cargo.compiler import Verdict, compare
from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.cargo.evaluate import Evaluation
from m31r_core.cargo.full import CargoAnswer
from m31r_core.cargo.learn import learn_more, save_learned
from m31r_core.cargo.opened import Opened
from m31r_core.cargo.process import CargoError, Deadline, locked
from m31r_core.cargo.tree import Tree, is_rust, version_of
from m31r_core.cargo.units import Result, Unit

VERDICTS = 256
"""Verdicts of whole candidates that a snapshot remembers."""


@dataclass(frozen=True)
class _Outcome:
    """The diagnostics of a state; `unsure` says why only cargo can know them."""

    diagnostics: tuple[Diagnostic, ...]
    unsure: str = ""


class Snapshot:
    """The compiler of one state of a workspace: a `Compiler`, made by `Workspace.snapshot`."""

    def __init__(
        self, opened: Opened, tree: Tree, overlay: Mapping[str, bytes], deadline: Deadline
    ) -> None:
        assert opened.learned is not None
        self._open = opened
        self._tree = tree
        self._overlay = dict(overlay)
        self._learned = opened.learned
        self._guard = threading.Lock()
        self._verdicts: OrderedDict[str, Verdict] = OrderedDict()
        self._slow = self._reason(overlay, "")
        if self._learned.broken:
            self._slow = "what the members build on does not compile"
        outcome = _Outcome((), self._slow)
        if not self._slow:
            outcome = self._evaluate({}, deadline)
        if outcome.unsure:
            answer = self._cargo(self._overlay, deadline)
            if answer.could_not_start:
                raise CargoError(f"{opened.layout.root}: {answer.first_error}")
            outcome = _Outcome(answer.diagnostics)
        # Without a place are rustc's own sums: "1 warning emitted", "for more information".
        self._diagnostics = tuple(
            found for found in outcome.diagnostics if found.is_error or found.spans
        )
        self._errors = tuple(found for found in outcome.diagnostics if found.is_error)

    @property
    def lanes(self) -> int:
        """How many checks are worth running at the same time."""
        return 1 if self._slow else len(self._open.lanes)

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The errors of the user's files, unsaved changes included."""
        return self._errors

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The errors and warnings of the user's files, unsaved changes included."""
        return self._diagnostics

    @property
    def state(self) -> str:
        """A name of the files as they are: equal for snapshots with equal answers."""
        versions = {**self._tree.versions, "": self._learned.config}
        texts = {path: version.encode() for path, version in versions.items()}
        return _digest({**texts, **self._overlay})

    def text(self, path: str) -> bytes:
        """Return the text of a file, unsaved changes included. Raises CargoError."""
        full = str(self.file_of(path))
        if full in self._overlay:
            return self._overlay[full]
        if is_rust(full) and full in self._tree.versions:
            return self._tree.read(full)
        try:
            return Path(full).read_bytes()
        except OSError as error:
            raise CargoError(f"{full}: {error.strerror}") from error

    def paths(self) -> Sequence[str]:
        """Return the Rust files of the workspace's members, sorted."""
        members = self._open.layout.package_of
        rust = [Path(path) for path in {*self._tree.versions, *self._overlay} if is_rust(path)]
        return sorted(self.path_of(path) for path in rust if members(path) is not None)

    def path_of(self, file: Path) -> str:
        """Return the path that spans have for `file` (absolute, or from the workspace root).

        Raises CargoError when it lies outside the workspace and its path dependencies.
        """
        full = self._open.resolve(file)
        root = self._open.layout.root
        return str(full.relative_to(root)) if full.is_relative_to(root) else str(full)

    def file_of(self, path: str) -> Path:
        """Return the absolute file that a span's path means."""
        return Path(os.path.normpath(self._open.layout.root / path))

    def check(self, changes: Mapping[str, bytes], deadline: Deadline) -> Verdict:
        """Return the verdict on `changes`, whole texts by path, laid over the files.

        Cargo is asked, which takes longer, when a change is in a file that is no Rust, that no
        unit reads, that is new, that lies outside the members, that a build script watches, or
        that a build script or procedural macro is made of; and when the candidate repairs what
        kept cargo from checking targets that were never seen.
        Raises CargoError when there is no answer before the deadline.
        """
        start = time.monotonic()
        laid = self._laid(changes)
        if not laid:
            return compare(self._errors, self._errors, time.monotonic() - start)
        key = _digest(laid)
        with self._guard:
            known = self._verdicts.get(key)
        if known is not None:
            return Verdict(known.new, known.gone, known.unchanged, time.monotonic() - start)
        try:
            verdict = self._check(laid, start, deadline)
        except OSError as error:
            raise CargoError(f"{error.filename}: {error.strerror}") from error
        with self._guard:
            self._verdicts[key] = verdict
            while len(self._verdicts) > VERDICTS:
                self._verdicts.popitem(last=False)
        return verdict

    def check_with_cargo(self, changes: Mapping[str, bytes], deadline: Deadline) -> Verdict:
        """Return the verdict of plain `cargo check` on the copy. Raises CargoError like `check`."""
        start = time.monotonic()
        try:
            return self._check_with_cargo(self._laid(changes), start, deadline)
        except OSError as error:
            raise CargoError(f"{error.filename}: {error.strerror}") from error

    def why_cargo(self, changes: Mapping[str, bytes]) -> str:
        """Say why `check` has to ask cargo about `changes` from the start; "" if it has not."""
        return self._slow or self._reason(self._laid(changes), "candidate ")

    def _laid(self, changes: Mapping[str, bytes]) -> dict[str, bytes]:
        laid = {str(self._open.resolve(Path(path))): text for path, text in changes.items()}
        return {path: text for path, text in laid.items() if not self._is(path, text)}

    def _is(self, path: str, text: bytes) -> bool:
        """Whether the file has this text without any candidate."""
        if path in self._overlay:
            return self._overlay[path] == text
        return is_saved(self._tree, path, text)

    def _check(self, laid: Mapping[str, bytes], start: float, deadline: Deadline) -> Verdict:
        if self._slow or self._reason(laid, "candidate "):
            return self._check_with_cargo(laid, start, deadline)
        outcome = self._evaluate(laid, deadline)
        if outcome.unsure:
            return self._check_with_cargo(laid, start, deadline)
        after = [found for found in outcome.diagnostics if found.is_error]
        return compare(self._errors, after, time.monotonic() - start)

    def _check_with_cargo(
        self, laid: Mapping[str, bytes], start: float, deadline: Deadline
    ) -> Verdict:
        answer = self._cargo({**self._overlay, **laid}, deadline)
        after = [found for found in answer.diagnostics if found.is_error]
        return compare(self._errors, after, time.monotonic() - start)

    def _cargo(self, overlay: Mapping[str, bytes], deadline: Deadline) -> CargoAnswer:
        """Ask cargo; if the configuration is as it was, learn from the calls it makes."""
        opened = self._open
        same = all(path in self._tree.versions and is_rust(path) for path in overlay)
        same = same and not self._learned.fixed.intersection(overlay)
        records = opened.home / ("records" if same else "records-of-others")
        with locked(opened.full.lock, deadline):
            begin = time.time_ns()
            root = opened.layout.root
            answer = opened.full.run(root, self._tree, overlay, records, deadline)
            if not same:
                shutil.rmtree(records, ignore_errors=True)
            elif self._learned.unknown and not answer.could_not_start:
                more = learn_more(
                    self._learned, answer, opened.full, opened.home, opened.layout, begin
                )
                for name, found in more.sources.items():
                    opened.sources.add(name, found)
                save_learned(more, opened.file)
                if opened.learned is self._learned:
                    opened.learned = more
                self._learned = more
        return answer

    def _reason(self, laid: Mapping[str, bytes], whose: str) -> str:
        """Why cargo has to be asked about these texts; "" if rustc will do."""
        read = self._open.sources.all
        vague = {
            unit.package + "/"
            for name, unit in self._learned.units.items()
            if name not in self._open.sources
        }
        for path in laid:
            if not is_rust(path):
                return f"{whose}{path}: no Rust file"
            if path not in self._tree.versions:
                return f"{whose}{path}: a new file"
            if path in self._learned.fixed:
                return f"{whose}{path}: what is built of it is run by the build"
            if self._open.layout.package_of(Path(path)) is None:
                return f"{whose}{path}: outside the members"
            if path not in read and not path.startswith(tuple(vague)):
                return f"{whose}{path}: no unit reads it"
        return ""

    def _evaluate(self, candidate: Mapping[str, bytes], deadline: Deadline) -> _Outcome:
        """Find the diagnostics of every unit, running rustc for those that are not known."""
        run = Evaluation(self._open, self._learned, self._tree, self._overlay, candidate, deadline)
        results = run.results()
        if results is not None and not candidate:
            self._open.results.save(run.keys, results)
        if results is None:
            return _Outcome((), "rustc broke down")
        if self._unblocked(results):
            return _Outcome((), "there are targets that were never checked")
        return _Outcome(_merge(results.values()))

    def _unblocked(self, results: Mapping[str, Result]) -> bool:
        """Whether a target without a known call may now be compiled."""
        learned = self._learned
        layout = self._open.layout
        unknown = {found.package for found in learned.unknown if found.library}
        failing = {
            learned.units[name].package
            for name, result in results.items()
            if not result.ok and not learned.units[name].test and _is_library(learned.units[name])
        }
        for target in learned.unknown:
            package = layout.package_of(Path(target.source))
            if package is None:
                return True
            near = {str(member.folder) for member in layout.near(package)}
            if target.library:
                near.discard(target.package)
            if not near & (failing | unknown):
                return True
        return False


def _is_library(unit: Unit) -> bool:
    kinds = {
        value
        for before, value in zip(unit.argv, unit.argv[1:], strict=False)
        if before == "--crate-type"
    }
    return bool(kinds - {"bin"})


def _merge(results: Iterable[Result]) -> tuple[Diagnostic, ...]:
    """All diagnostics, each once: a library and its tests say the same twice."""
    seen: dict[tuple[object, ...], Diagnostic] = {}
    for result in results:
        for found in result.diagnostics:
            seen.setdefault((found.level, found.code, found.message, found.spans), found)
    return tuple(seen.values())


def is_saved(tree: Tree, path: str, text: bytes) -> bool:
    """Whether this is what the user's file contains."""
    if is_rust(path):
        return tree.versions.get(path) == version_of(text)
    try:
        return Path(path).read_bytes() == text
    except OSError:
        return False


def _digest(texts: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for path, text in sorted(texts.items()):
        digest.update(f"{path}\0{len(text)}\0".encode("utf-8", "surrogateescape"))
        digest.update(text)
    return digest.hexdigest()
