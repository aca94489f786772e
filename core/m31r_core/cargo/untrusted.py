"""`cargo check` of a crate that nobody vouches for, whose build scripts and macros are code too.

The crate is checked through a wrapper that depends on it by path, so that its own folder stays
read-only and neither its lock file, its workspace nor its dev-dependencies are asked for.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from m31r_core.cargo.bounded import Outcome
from m31r_core.cargo.process import CargoError
from m31r_core.cargo.sandbox import Sandbox
from m31r_core.cargo.toolchain import Toolchain

_WRAPPER = """\
[package]
name = "m31r-wrapper"
version = "0.0.0"
edition = "2021"

[workspace]

[profile.dev]
debug = false

[dependencies]
subject = {{ package = {name}, {place} }}
"""
_OFFLINE = """\
[net]
offline = true
"""
_VENDORED = """\
[source.crates-io]
replace-with = "vendored"

[source.vendored]
directory = {path}
"""
_RECORDER = """\
#!/bin/sh
# Writes down how cargo calls rustc for the package that is checked, then calls it.
if [ -n "$CARGO_PRIMARY_PACKAGE" ] && [ "$2" = --crate-name ]; then
    mkdir -p {records} && printf '%s\\0' "$PWD" "$@" >{records}/"$3".argv &&
        cat "/proc/$$/environ" >{records}/"$3".env
fi
exec "$@"
"""


@dataclass(frozen=True)
class UntrustedCrate:
    """The package `name` in the folder `source`; `vendor` is a directory source or None.

    With a `version`, `source` is the folder of that package in `vendor`, and is checked as the
    package of a registry that it is there: lints cannot fail it, and what it is compiled to can
    serve those that depend on it.

    `work` is a folder of ours for this crate alone: it holds the wrapper, a CARGO_HOME and the
    target folder, and is kept from call to call, so that a second check is incremental. What lies
    in the target folder is as untrusted as the crate: it may hold links to anywhere. With a
    `shared_target`, dependencies that others have compiled there are not compiled again, and one
    that is hostile can lie to all who share it.
    """

    name: str
    source: Path
    work: Path
    vendor: Path | None = None
    version: str = ""
    shared_target: Path | None = None

    @property
    def target(self) -> Path:
        """The only folder that the crate can write."""
        return self.shared_target or self.work / "target"

    @property
    def records(self) -> Path:
        """Where the calls of rustc for the package itself are written down, within `target`.

        For the library `name`, `name.argv` holds the working folder, rustc and its arguments and
        `name.env` the environment, each value ended by a zero byte.
        """
        return self.target / "m31r-records" / self.work.name

    @property
    def lock_file(self) -> Path:
        """What the dependencies were resolved to; it is there once they were."""
        return self.work / "wrapper" / "Cargo.lock"


def check_untrusted(
    crate: UntrustedCrate,
    *,
    sandbox: Sandbox,
    toolchain: Toolchain,
    seconds: float | None = None,
    jobs: int | None = None,
) -> Outcome:
    """Return what `cargo check --offline --message-format=json` of the crate came to.

    Standard output holds cargo's messages (`parse_messages`). Where the dependencies cannot be
    resolved, the outcome is that of `lock_untrusted`. `seconds` holds for each of the two, `jobs`
    (default: one a core) is how many units are compiled at a time. Raises CargoError without a
    cargo, SandboxError when a folder cannot be read in there.
    """
    locked = lock_untrusted(crate, sandbox=sandbox, toolchain=toolchain, seconds=seconds)
    if locked is not None and not locked.ok:
        return locked
    wrapper = crate.work / "wrapper"
    # A bare name would also mean an older version of itself that the crate depends on.
    package = f"{crate.source.resolve().as_uri()}#{crate.name}"
    if crate.version:
        package = f"{crate.name}@{crate.version}"
    command = [str(toolchain.cargo), "check", "--offline", "--quiet", "--package", package]
    command += ["--message-format=json", "--target-dir", str(crate.target)]
    return sandbox.run(
        [*command, *([f"--jobs={jobs}"] if jobs else [])],
        cwd=wrapper,
        read=_readable(crate, wrapper),
        write=crate.target,
        env={**_environment(crate), "RUSTC_WRAPPER": str(wrapper / "rustc")},
        seconds=seconds,
    )


def lock_untrusted(
    crate: UntrustedCrate, *, sandbox: Sandbox, toolchain: Toolchain, seconds: float | None = None
) -> Outcome | None:
    """Write what a check needs and resolve the dependencies, unless they are resolved already.

    Returns what `cargo generate-lockfile` came to, None where it had not to run. Cargo alone runs
    here: the wrapper is read-only whenever the crate's own code runs. Raises as `check_untrusted`.
    """
    if not toolchain.cargo.is_file():
        raise CargoError(f"{toolchain.cargo}: no such file; install cargo with the toolchain")
    home, wrapper = crate.work / "cargo-home", crate.work / "wrapper"
    for folder in (home, wrapper / "src", crate.target):
        folder.mkdir(parents=True, exist_ok=True)
    config = _OFFLINE
    if crate.vendor is not None:
        config += _VENDORED.format(path=_quote(crate.vendor.resolve()))
    _write(home / "config.toml", config)
    place = f"path = {_quote(crate.source.resolve())}"
    if crate.version:
        place = f'version = "={crate.version}"'
    _write(wrapper / "Cargo.toml", _WRAPPER.format(name=json.dumps(crate.name), place=place))
    _write(wrapper / "src" / "lib.rs", "")
    _write(wrapper / "rustc", _RECORDER.format(records=shlex.quote(str(crate.records))))
    (wrapper / "rustc").chmod(0o755)
    if crate.lock_file.exists():
        return None
    return sandbox.run(
        [str(toolchain.cargo), "generate-lockfile", "--offline", "--quiet"],
        cwd=wrapper,
        read=_readable(crate),
        write=wrapper,
        env=_environment(crate),
        seconds=seconds,
    )


def _readable(crate: UntrustedCrate, *more: Path) -> list[Path]:
    vendor = [crate.vendor.resolve()] if crate.vendor else []
    return [crate.source.resolve(), crate.work / "cargo-home", *vendor, *more]


def _environment(crate: UntrustedCrate) -> dict[str, str]:
    home = str(crate.work / "cargo-home")
    return {"CARGO_HOME": home, "CARGO_NET_OFFLINE": "true", "CARGO_TERM_COLOR": "never"}


def _quote(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False)


def _write(path: Path, text: str) -> None:
    """Write a file unless it holds `text` already: its time is a part of cargo's fingerprint."""
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")
