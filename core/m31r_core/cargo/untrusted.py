"""`cargo check` of a crate that nobody vouches for, whose build scripts and macros are code too.

The crate is checked through a wrapper that depends on it by path, so that its own folder stays
read-only and neither its lock file, its workspace nor its dev-dependencies are asked for.
"""

from __future__ import annotations

import json
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

[dependencies]
{name} = {{ path = {path} }}
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


@dataclass(frozen=True)
class UntrustedCrate:
    """The package `name` in the folder `source`; `vendor` is a directory source or None.

    `work` is a folder of ours for this crate alone: it holds the wrapper, a CARGO_HOME and the
    target folder, and is kept from call to call, so that a second check is incremental. What lies
    in the target folder is as untrusted as the crate: it may hold links to anywhere.
    """

    name: str
    source: Path
    work: Path
    vendor: Path | None = None

    @property
    def target(self) -> Path:
        """The only folder that the crate can write."""
        return self.work / "target"


def check_untrusted(
    crate: UntrustedCrate, *, sandbox: Sandbox, toolchain: Toolchain, seconds: float | None = None
) -> Outcome:
    """Return what `cargo check --offline --message-format=json` of the crate came to.

    Standard output holds cargo's messages (`parse_messages`). Where the dependencies cannot be
    resolved, the outcome is that of `cargo generate-lockfile`. Raises CargoError without a cargo,
    SandboxError when a folder cannot be read in there.
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
    manifest = _WRAPPER.format(name=crate.name, path=_quote(crate.source.resolve()))
    _write(wrapper / "Cargo.toml", manifest)
    _write(wrapper / "src" / "lib.rs", "")
    read = [crate.source.resolve(), home, *([crate.vendor.resolve()] if crate.vendor else [])]
    env = {"CARGO_HOME": str(home), "CARGO_NET_OFFLINE": "true", "CARGO_TERM_COLOR": "never"}
    cargo = str(toolchain.cargo)
    if not (wrapper / "Cargo.lock").exists():
        # Cargo alone runs here: the wrapper is read-only whenever the crate's own code runs.
        locked = sandbox.run(
            [cargo, "generate-lockfile", "--offline", "--quiet"],
            cwd=wrapper,
            read=read,
            write=wrapper,
            env=env,
            seconds=seconds,
        )
        if not locked.ok:
            return locked
    command = [cargo, "check", "--offline", "--quiet", "--package", crate.name]
    return sandbox.run(
        [*command, "--message-format=json", "--target-dir", str(crate.target)],
        cwd=wrapper,
        read=[*read, wrapper],
        write=crate.target,
        env=env,
        seconds=seconds,
    )


def _quote(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False)


def _write(path: Path, text: str) -> None:
    """Write a file unless it holds `text` already: its time is a part of cargo's fingerprint."""
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")
