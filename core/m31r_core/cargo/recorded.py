"""How cargo called rustc for a crate's library, and the same call for a copy of the crate."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from m31r_core.cargo.read_untrusted import read_untrusted
from m31r_core.cargo.untrusted import UntrustedCrate

_LIMIT = 4 << 20
_NOT_OURS = ("CARGO_MAKEFLAGS", "MAKEFLAGS", "MFLAGS", "RUSTC_WRAPPER", "PWD", "OLDPWD")
_WITH_VALUE = frozenset({"--out-dir", "--cap-lints", "--emit", "--error-format", "--json"})


@dataclass(frozen=True)
class Call:
    """A call of rustc; `root` is the library's root file, relative to the crate's folder."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    root: str


def recorded_call(crate: UntrustedCrate) -> Call | None:
    """Return the call that the check of the crate wrote down, None where there is none.

    What it says was written where untrusted code could write, and is only good for the sandbox.
    """
    for path in sorted(crate.records.glob("*.argv")):
        argv = _values(path, crate.target)
        environ = _values(path.with_suffix(".env"), crate.target)
        if len(argv) < 3 or "build_script_build" in argv or "build_script_main" in argv:
            continue
        folder, _, *arguments = argv
        roots = [each for each in arguments if each.endswith(".rs")]
        if not roots:
            continue
        root = os.path.normpath(Path(folder, roots[0]))
        relative = root.removeprefix(f"{crate.source}/")
        if relative != root and _is_library(arguments):
            environment = dict(each.split("=", 1) for each in environ if "=" in each)
            return Call(tuple(arguments), environment, relative)
    return None


def call_for_copy(
    call: Call, source: Path, copy: Path, out: Path
) -> tuple[list[str], dict[str, str]]:
    """Return arguments and environment that check the copy of `source`, from within the copy.

    Diagnostics are JSON on standard error with paths relative to the copy; lints are silent. Only
    metadata is written, to `out`, incrementally.
    """
    arguments: list[str] = []
    given = iter(call.arguments)
    for argument in given:
        name, equals, _ = argument.partition("=")
        if name in _WITH_VALUE:
            if not equals:
                next(given, None)
        elif argument == "-C":
            value = next(given, "")
            if not value.startswith("incremental="):
                arguments += ["-C", value]
        elif argument.endswith(f"/{call.root}") or argument == call.root:
            arguments.append(call.root)
        else:
            arguments.append(_moved(argument, source, copy))
    arguments += ["--error-format=json", "--emit=metadata", "--cap-lints=allow"]
    arguments += ["--out-dir", str(out), "-C", f"incremental={out / 'incremental'}"]
    environment = {
        name: _moved(value, source, copy)
        for name, value in call.environment.items()
        if name not in _NOT_OURS
    }
    return arguments, environment


def _is_library(arguments: list[str]) -> bool:
    kinds = [b for a, b in pairwise(arguments) if a == "--crate-type"]
    return bool(kinds) and "bin" not in kinds


def _moved(text: str, source: Path, copy: Path) -> str:
    if text == str(source):
        return str(copy)
    return text.replace(f"{source}/", f"{copy}/")


def _values(path: Path, below: Path) -> list[str]:
    data = read_untrusted(path, below=below, limit=_LIMIT) or b""
    return data.decode("utf-8", "surrogateescape").split("\0")[:-1]
