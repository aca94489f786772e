"""m31r-lsp fix: repair a whole crate in the terminal, every change checked."""

from __future__ import annotations

import difflib
import json
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.text import Text

from m31r_core.bundle import find_bundle, load_bundle
from m31r_core.cargo import Snapshot, Workspace
from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.cargo.process import Deadline
from m31r_core.engine import Completer, Engine
from m31r_core.errors import ConfigError, M31RError
from m31r_core.repair import Caution, Fix, RepairLimits, apply_edits, repair_all
from m31r_core.repair.ranking import model_ranker
from m31r_lsp.crates import Watched, crate_of
from m31r_lsp.positions import with_line_ends
from m31r_lsp.workspace_edit import by_file

_START_S = 600.0
_STYLE = {"+": "green", "-": "red", "@": "cyan"}


@dataclass(frozen=True)
class Change:
    """The text of one file before and after the repair."""

    file: Path
    before: bytes
    after: bytes


def fix(
    path: Path,
    model: Path | None,
    *,
    apply: bool,
    as_json: bool,
    deadline_s: float,
    allow: Sequence[str],
) -> int:
    """Repair the crate around `path` and show the change; write it with `apply`.

    `model` is the bundle that ranks repairs, None for the one that is found.
    Returns 0 when the crate compiles afterwards, 1 when errors remain. Raises ConfigError for
    wrong use, M31RError where nothing can be checked or a file changed meanwhile.
    """
    folder = _folder(path)
    allowed = _cautions(allow)
    if deadline_s <= 0:
        raise ConfigError("--deadline: must be more than 0 seconds")
    # Without a terminal the spinner shows nothing.
    with Console(stderr=True, highlight=False).status("reading the crate") as spinner:
        snapshot = Workspace(folder).snapshot({}, Deadline(_START_S))
        completer = _completer(model, folder) if snapshot.errors else None
        found = _repair(snapshot, completer, deadline_s, allowed, spinner.update)
    changes = [] if found is None else _changes(snapshot, found)
    remaining = list(snapshot.errors) if found is None else list(found.verdict.errors)
    written = apply and bool(changes)
    if written:
        _write(changes)
    if as_json:
        print(json.dumps(_report(snapshot, found, changes, remaining, written), ensure_ascii=False))
    else:
        _show(folder, snapshot, found, changes, remaining, written)
    return 1 if remaining else 0


def _folder(path: Path) -> Path:
    at = path.absolute()
    if not at.exists():
        raise ConfigError(f"{path}: no such file or folder")
    folder = crate_of((at if at.is_dir() else at.parent).resolve() / "Cargo.toml")
    if folder is None:
        raise ConfigError(f"{path}: no Cargo.toml found here or above")
    return folder


def _cautions(allow: Sequence[str]) -> frozenset[str]:
    known = get_args(Caution)
    for each in allow:
        if each != "all" and each not in known:
            raise ConfigError(f"--allow {each}: write one of all, {', '.join(known)}")
    return frozenset(known if "all" in allow else allow)


def _completer(model: Path | None, folder: Path) -> Completer | None:
    """Load the model that ranks repairs; without one that is named there need not be any."""
    try:
        bundle = find_bundle(explicit=model, workspace=folder)
        return Completer(Engine.load(load_bundle(bundle)))
    except M31RError:
        if model is not None:
            raise
        return None


def _repair(
    snapshot: Snapshot,
    completer: Completer | None,
    seconds: float,
    allowed: frozenset[str],
    tell: Callable[[str], None],
) -> Fix | None:
    """Return the largest repair without a caution; one with the allowed ones if more goes away."""
    if not snapshot.errors:
        return None
    checks = 0

    def checked() -> None:
        nonlocal checks
        checks += 1
        tell(f"{checks} candidates compiled")

    compiler = Watched(snapshot, checked)
    rank = model_ranker(completer) if completer else None
    strict = RepairLimits(seconds=seconds, cautions=False)
    best = _passing(repair_all(compiler, strict, rank=rank))
    if allowed and (best is None or best.verdict.errors):
        other = _passing(repair_all(compiler, RepairLimits(seconds=seconds), rank=rank))
        more = other is not None and (
            best is None or len(other.verdict.errors) < len(best.verdict.errors)
        )
        if other is not None and more and other.cautions <= allowed:
            best = other
    return best


def _passing(found: Fix | None) -> Fix | None:
    return found if found is not None and found.verdict.passed and found.edits else None


def _changes(snapshot: Snapshot, found: Fix) -> list[Change]:
    changes = []
    for path, edits in by_file(found.edits).items():
        before = snapshot.text(path)
        after = apply_edits(before, with_line_ends(before, edits))
        changes.append(Change(snapshot.file_of(path).resolve(), before, after))
    return changes


def _write(changes: Sequence[Change]) -> None:
    """Put the new texts in place, all of them or none. Raises M31RError when one changed."""
    prepared: list[tuple[Path, Path]] = []
    try:
        for change in changes:
            prepared.append((_prepare(change), change.file))
        for change in changes:
            if change.file.read_bytes() != change.before:
                raise M31RError(f"{change.file}: changed meanwhile, nothing was written; run again")
        for temporary, file in prepared:
            temporary.replace(file)
    finally:
        for temporary, _ in prepared:
            temporary.unlink(missing_ok=True)


def _prepare(change: Change) -> Path:
    """Write the new text beside its file, with the file's permissions."""
    if not os.access(change.file, os.W_OK):
        raise M31RError(f"{change.file}: read-only, nothing was written")
    mode = stat.S_IMODE(change.file.stat().st_mode)
    if not mode & 0o222:
        raise M31RError(f"{change.file}: read-only, nothing was written")
    handle, name = tempfile.mkstemp(prefix=f".{change.file.name}.", dir=change.file.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(change.after)
        file.flush()
        os.fsync(file.fileno())
    temporary = Path(name)
    temporary.chmod(mode)
    return temporary


def _report(
    snapshot: Snapshot,
    found: Fix | None,
    changes: Sequence[Change],
    remaining: Sequence[Diagnostic],
    written: bool,
) -> Mapping[str, Any]:
    return {
        "errors": [_line(error) for error in snapshot.errors],
        "fixed": [] if found is None else [_line(error) for error in found.verdict.gone],
        "remaining": [_line(error) for error in remaining],
        "steps": []
        if found is None
        else [
            {"title": step.title, "source": step.source, "cautions": sorted(step.cautions)}
            for step in found.steps
        ],
        "files": [
            {"path": str(change.file), "diff": "\n".join(_diff(change, change.file))}
            for change in changes
        ],
        "checks": 0 if found is None else found.checks,
        "seconds": 0.0 if found is None else round(found.seconds, 3),
        "written": written,
    }


def _show(
    folder: Path,
    snapshot: Snapshot,
    found: Fix | None,
    changes: Sequence[Change],
    remaining: Sequence[Diagnostic],
    written: bool,
) -> None:
    console = Console(highlight=False)
    if not snapshot.errors:
        console.print("no errors")
        return
    for change in changes:
        within = change.file.is_relative_to(folder)
        for line in _diff(change, change.file.relative_to(folder) if within else change.file):
            console.print(Text(line, _style(line)), soft_wrap=True)
    if found is not None:
        for step in found.steps:
            cautions = f", {', '.join(sorted(step.cautions))}" if step.cautions else ""
            console.print(Text(f"{step.title} (checked{cautions})"), soft_wrap=True)
    for error in remaining:
        console.print(Text(f"not repaired: {_line(error)}", "yellow"), soft_wrap=True)
    gone = 0 if found is None else len(found.verdict.gone)
    console.print(f"{gone} of {len(snapshot.errors)} errors repaired, {len(remaining)} left")
    if changes:
        names = ", ".join(str(change.file) for change in changes)
        said = f"written: {names}" if written else "nothing was written; --apply writes it"
        print(f"m31r-lsp: {said}", file=sys.stderr)


def _line(error: Diagnostic) -> str:
    place = error.primary
    where = f"{place.path}:{place.line_start}:{place.column_start}: " if place else ""
    code = f"[{error.code}] " if error.code else ""
    return f"{where}{code}{error.message}"


def _diff(change: Change, name: Path) -> list[str]:
    before, after = (
        text.decode("utf-8", "replace").splitlines() for text in (change.before, change.after)
    )
    path = name.as_posix().lstrip("/")
    lines = difflib.unified_diff(before, after, f"a/{path}", f"b/{path}", lineterm="")
    return list(lines)


def _style(line: str) -> str:
    if line.startswith(("+++", "---")):
        return "bold"
    return _STYLE.get(line[:1], "")
