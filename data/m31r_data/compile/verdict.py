"""What a `cargo check` in the sandbox says about one crate: yes, no or unknown, and why.

`no` is only what rustc itself says about the crate's own library. Whatever may be different on
another machine (a dependency, a C library, a build script, a limit) makes it unknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from m31r_core.cargo.bounded import Outcome
from m31r_data.document import Compiles

_LIBRARY = frozenset({"lib", "rlib", "dylib", "cdylib", "staticlib", "proc-macro"})
_MAX_WHY = 200
_MISSING = re.compile(r"no matching package(?: named)? [`']([^`']+)[`'] found")
_VERSION = re.compile(r"failed to select a version for (?:the requirement )?[`']([^`']+)[`']")
_BUILD_SCRIPT = re.compile(r"failed to run custom build command for [`']([^`' ]+)")
_SYSTEM_LIBRARY = re.compile(r"[Tt]he system library [`']([^`']+)[`'] required")
_COULD_NOT = re.compile(r"could not compile [`']([^`']+)[`']")
_PATH = re.compile(r"(?:\.\.?)?(?:/[^\s/`'\"():,]+){2,}/?")


@dataclass(frozen=True)
class Said:
    """What cargo's messages say about a package; `artifacts` are the files of its library."""

    artifacts: tuple[str, ...]
    errors: tuple[Mapping[str, Any], ...]
    elsewhere: tuple[str, ...]


def messages_of(stdout: bytes) -> Iterator[dict[str, Any]]:
    """Yield cargo's messages; what is none (untrusted code can write here too) is left out."""
    for line in stdout.decode(errors="replace").splitlines():
        if not line.startswith("{"):
            continue
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(message, dict) and isinstance(message.get("package_id"), str):
            yield message


def read_messages(stdout: bytes, manifest: str) -> Said:
    """Return what cargo said of the package whose Cargo.toml is the file `manifest`.

    Raises KeyError, TypeError or AttributeError for messages that are not cargo's.
    """
    artifacts: list[str] = []
    errors: list[Mapping[str, Any]] = []
    elsewhere: list[str] = []
    for message in messages_of(stdout):
        reason = message.get("reason")
        own = message.get("manifest_path") == manifest
        if reason == "compiler-artifact" and own and _LIBRARY & {*message["target"]["kind"]}:
            artifacts += [str(name) for name in message["filenames"]]
        if reason == "compiler-message" and message["message"]["level"].startswith("error"):
            if own and _LIBRARY & {*message["target"]["kind"]}:
                errors.append(message["message"])
            else:
                elsewhere.append(_package(message["package_id"]))
    return Said(tuple(artifacts), tuple(errors), tuple(elsewhere))


def judge(outcome: Outcome, said: Said) -> tuple[Compiles, str]:
    """Return the verdict and one line that says why; empty for a yes.

    The line names no path, time or process, so that it is the same on every machine.
    """
    if outcome.killed_by is not None:
        return "unknown", f"limit met: {outcome.killed_by}"
    if outcome.ok:
        return ("yes", "") if said.artifacts else ("unknown", "there is no library")
    if said.errors:
        return _of_errors(said.errors)
    if said.elsewhere:
        return "unknown", f"{said.elsewhere[0]} does not compile"
    return "unknown", _of_cargo(outcome.stderr.decode(errors="replace"))


def _of_errors(errors: tuple[Mapping[str, Any], ...]) -> tuple[Compiles, str]:
    lines = []
    for error in errors:
        code = (error.get("code") or {}).get("code")
        message = str(error["message"])
        if code is None and "feature" in message.lower():
            # As by `compile_error!`: the crate asks for a choice that nobody has made.
            return "unknown", one_line(f"a feature must be chosen: {message}")
        if not message.startswith("aborting due to"):
            lines.append(f"{code}: {message}" if code else message)
    if not lines or lines[0].startswith("linking with"):
        return "unknown", "the linker failed" if lines else "rustc failed"
    return "no", one_line(lines[0])


def _of_cargo(stderr: str) -> str:
    if found := _MISSING.search(stderr):
        return f"a dependency is missing: {found[1]}"
    if found := _VERSION.search(stderr):
        return f"no version of a dependency fits: {found[1].split()[0]}"
    if found := _BUILD_SCRIPT.search(stderr):
        if library := _SYSTEM_LIBRARY.search(stderr):
            return f"a system library is missing: {library[1]}"
        return f"the build script of {found[1]} failed"
    if found := _COULD_NOT.search(stderr):
        return f"{found[1]} does not compile"
    for line in stderr.splitlines():
        if line.startswith("error"):
            return one_line(line)
    return "cargo failed"


def one_line(text: str) -> str:
    """Return the text on one line, without paths, and no longer than a table can take."""
    line = _PATH.sub("…", " ".join(text.split()))
    return line if len(line) <= _MAX_WHY else line[: _MAX_WHY - 1] + "…"


def _package(package_id: str) -> str:
    """Name the package of an id as cargo writes it: `registry+https://…#name@1.0.0`."""
    name = package_id.rpartition("#")[2]
    if name[:1].isdigit():
        return package_id.rpartition("#")[0].rpartition("/")[2]
    return name.partition("@")[0]
