"""Repair pairs: broken lines of a real crate, what rustc says of them, and what they were."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from m31r_core.cargo import Diagnostic
from m31r_core.cargo.wording import portable, wording
from m31r_data.compile.batch import Mutant
from m31r_data.compile.lab import Trial
from m31r_data.mutate.mutation import Mutation

BORROW_CODES = frozenset(
    f"E0{number}"
    for number in (
        *(373, 381, 382, 384, 499, 500, 501, 502, 503, 505, 506, 507, 508, 509, 510),
        *(515, 521, 524, 594, 596, 597, 621, 626, 712, 713, 716),
    )
)
"""What the borrow checker says; <https://doc.rust-lang.org/error_codes/>."""

MOST_ERRORS = 3
_AROUND = 6_000
_WINDOW = 1_200
_RENDERED = 1_500
_SAME_RENAMING = 2
_LIFETIMES = ("lifetime may not live long enough", "captured variable cannot escape")


@dataclass(frozen=True)
class Said:
    """One error. `start` and `end` are bytes of its primary span in the broken file.

    `code` is rustc's, or `lifetime`, `macro` or `syntax` for errors that have none. `labels` are
    the texts at its places, the primary first; `rendered` is what a terminal shows, shortened.
    """

    code: str
    message: str
    start: int
    end: int
    labels: tuple[str, ...]
    rendered: str


@dataclass(frozen=True)
class RepairPair:
    """Replace `broken` by `fixed` between `prefix` and `suffix`, and the crate compiles.

    All four are whole lines of the file `path`; prefix and suffix may be cut. `codes` are those of
    the errors in `diagnostics`, the main one first; `message` is their wording. `sha256` is of the
    unbroken file.
    """

    id: str
    package: str
    version: str
    path: str
    license: str
    mutator: str
    codes: tuple[str, ...]
    message: str
    diagnostics: tuple[Said, ...]
    prefix: str
    broken: str
    fixed: str
    suffix: str
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """Return the pair as what JSON knows."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RepairPair:
        """Return the pair that `to_json` gave these values."""
        said = tuple(
            Said(**{**each, "labels": tuple(each["labels"])}) for each in values["diagnostics"]
        )
        return cls(**{**values, "codes": tuple(values["codes"]), "diagnostics": said})


class SourceFile(NamedTuple):
    """A file of the crate as it compiles. `sha256` is how the dataset knows it."""

    text: bytes
    license: str
    sha256: str


class Window(NamedTuple):
    """Where whole lines differ, and how."""

    prefix: str
    broken: str
    fixed: str
    suffix: str


def make_pairs(
    trials: Iterable[Trial], files: Mapping[str, SourceFile], package: str, version: str
) -> Iterator[RepairPair]:
    """Yield a pair for each mutant that is worth one.

    That is: rustc refuses it with few errors, one of them in the file that was broken, and says
    more than that the text does not parse, unless that was the point. What renames the same
    thing a third time, or repeats a pair's lines and code, is left out.
    """
    edits: Counter[tuple[str, bytes, bytes]] = Counter()
    seen: set[tuple[str, str, str]] = set()
    for trial in trials:
        mutant, file = trial.mutant, files[trial.mutant.path]
        errors = [each for each in trial.diagnostics if each.is_error]
        if trial.outcome != "fails" or not 1 <= len(errors) <= MOST_ERRORS:
            continue
        errors.sort(key=lambda each: _is_elsewhere(each, mutant.path))
        codes = [code_of(each, mutant.mutation) for each in errors]
        if _is_elsewhere(errors[0], mutant.path) or not codes[0]:
            continue
        window = window_of(file.text, mutant.mutation)
        if window is None or (codes[0], window.broken, window.fixed) in seen:
            continue
        seen.add((codes[0], window.broken, window.fixed))
        edit = edit_of(file.text, mutant.mutation)
        if mutant.mutation.phase == "resolve" and edit[1] and edit[2]:
            edits[edit] += 1
            if edits[edit] > _SAME_RENAMING:
                continue
        yield RepairPair(
            id=pair_id(package, version, mutant),
            package=package,
            version=version,
            path=mutant.path,
            license=file.license,
            mutator=mutant.mutation.mutator,
            codes=tuple(dict.fromkeys(filter(None, codes))),
            message=wording(errors),
            diagnostics=tuple(_said(each, code) for each, code in zip(errors, codes, strict=True)),
            **window._asdict(),
            sha256=file.sha256,
        )


def pair_id(package: str, version: str, mutant: Mutant) -> str:
    """Return a name for the pair that depends on what was broken and how."""
    each = mutant.mutation
    head = f"{package}\0{version}\0{mutant.path}\0{each.mutator}\0{each.start}\0{each.end}\0"
    return hashlib.sha256(head.encode() + each.new).hexdigest()[:16]


def code_of(error: Diagnostic, mutation: Mutation) -> str:
    """Return the error's code, a word where it has none, nothing where it says too little."""
    if error.code is not None:
        return error.code if error.code.startswith("E0") else ""
    if error.message.startswith(_LIFETIMES):
        return "lifetime"
    if error.message.startswith("cannot find macro"):
        return "macro"
    return "syntax" if mutation.phase == "syntax" else ""


def edit_of(text: bytes, mutation: Mutation) -> tuple[str, bytes, bytes]:
    """Return what is the same when one slip is made in two places."""
    return mutation.mutator, text[mutation.start : mutation.end], mutation.new


def window_of(text: bytes, mutation: Mutation) -> Window | None:
    """Return the lines that differ between the text and its mutant, or None for too many.

    Where a line is only missing, the line behind it (at the end, before it) is shown as broken.
    """
    first = text.rfind(b"\n", 0, mutation.start) + 1
    last = _line_end(text, mutation.end)
    changed = text[first : mutation.start] + mutation.new + text[mutation.end : last]
    fixed, broken = _lines(text[first:last]), _lines(changed)
    while fixed and broken and fixed[0] == broken[0]:
        first += len(fixed[0])
        del fixed[0], broken[0]
    while fixed and broken and fixed[-1] == broken[-1]:
        last -= len(fixed[-1])
        del fixed[-1], broken[-1]
    if not broken and last < len(text):
        following = text[last : _line_end(text, last)]
        fixed.append(following)
        broken.append(following)
        last += len(following)
    elif not broken and first:
        before = text[text.rfind(b"\n", 0, first - 1) + 1 : first]
        fixed.insert(0, before)
        broken.insert(0, before)
        first -= len(before)
    old, new = b"".join(fixed).decode(), b"".join(broken).decode()
    if not new or max(len(old), len(new)) > _WINDOW:
        return None
    return Window(_end_of(text[:first].decode()), new, old, _start_of(text[last:].decode()))


def _line_end(text: bytes, offset: int) -> int:
    end = text.find(b"\n", offset)
    return len(text) if end < 0 else end + 1


def _lines(text: bytes) -> list[bytes]:
    return [line + b"\n" for line in text.split(b"\n")[:-1]] + [
        line for line in text.split(b"\n")[-1:] if line
    ]


def _end_of(text: str) -> str:
    """Return the last whole lines of a text, as many as are shown."""
    if len(text) <= _AROUND:
        return text
    cut = text.find("\n", len(text) - _AROUND - 1)
    return text[cut + 1 :]


def _start_of(text: str) -> str:
    return text if len(text) <= _AROUND else text[: text.rfind("\n", 0, _AROUND) + 1]


def _is_elsewhere(error: Diagnostic, path: str) -> bool:
    return not any(span.is_primary and span.path == path for span in error.spans)


def _said(error: Diagnostic, code: str) -> Said:
    primary = error.primary
    spans = sorted(error.spans, key=lambda span: not span.is_primary)
    rendered = portable(error.rendered.strip())
    if len(rendered) > _RENDERED:
        rendered = rendered[: rendered.rfind("\n", 0, _RENDERED)]
    return Said(
        code=code,
        message=portable(error.message),
        start=primary.byte_start if primary else 0,
        end=primary.byte_end if primary else 0,
        labels=tuple(portable(span.label) for span in spans if span.label),
        rendered=rendered,
    )
