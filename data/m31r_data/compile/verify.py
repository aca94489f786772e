"""Whether a crate's library compiles as it is, and which of its files that is true of.

Every crate is checked in a sandbox and a target folder of its own: what one crate's build script
or macro does there, no other crate sees.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from m31r_core.cargo.read_untrusted import read_untrusted
from m31r_core.cargo.sandbox import Limits, Sandbox, find_sandbox
from m31r_core.cargo.toolchain import Toolchain
from m31r_core.cargo.untrusted import UntrustedCrate, check_untrusted
from m31r_data.compile.verdict import judge, read_messages
from m31r_data.config import CompileConfig
from m31r_data.document import Compiles

NOT_PART = "not part of the checked library"
"""Why other files of a crate that compiles are unknown."""

_DEP_INFO = 16 << 20


@dataclass(frozen=True)
class CrateVerdict:
    """What the compiler says about a crate.

    `why` is one line without paths or times, empty for a yes. `files` are those that rustc read for
    the library, relative to the crate's folder and sorted: the verdict is theirs, other files are
    unknown (`NOT_PART`). `seconds` is how long it took and no part of equality.
    """

    compiles: Compiles
    why: str
    files: tuple[str, ...]
    seconds: float = field(compare=False)


@dataclass(frozen=True)
class CrateFolder:
    """A crate to check: its name and version as in its Cargo.toml, and where that lies."""

    name: str
    version: str
    folder: Path


def sandbox_for(config: CompileConfig, toolchain: Toolchain) -> Sandbox:
    """Return the sandbox for checks as `config` wants them.

    Raises SandboxError without bubblewrap where the configuration requires it.
    """
    limits = Limits(
        wall_s=config.seconds,
        cpu_s=max(1, round(config.seconds)),
        memory_mb=config.memory_mb,
        total_memory_mb=config.memory_mb,
        disk_mb=config.disk_mb,
        output_mb=32,
    )
    return find_sandbox(limits, toolchain=toolchain.sysroot, require=config.require_sandbox)


def crate_in(
    crate: CrateFolder, *, work: Path, vendor: Path | None, share: bool = False
) -> UntrustedCrate:
    """Return how the crate is checked, in its own folder below `work`.

    With `share`, it is compiled into `work/target`, together with all others.

    A crate that lies in the directory source itself is taken from there as any dependency is.
    """
    folder = crate.folder.resolve()
    inside = vendor is not None and folder.parent == vendor.resolve()
    inside = inside and (folder / ".cargo-checksum.json").is_file()
    place = work.resolve() / re.sub(r"[^\w.+-]", "_", f"{crate.name}-{crate.version}")
    version = crate.version if inside else ""
    shared = work.resolve() / "target" if share else None
    return UntrustedCrate(crate.name, folder, place, vendor, version, shared)


def verify_crates(
    crates: Iterable[CrateFolder],
    *,
    work: Path,
    vendor: Path | None,
    sandbox: Sandbox,
    toolchain: Toolchain,
    config: CompileConfig,
) -> Iterator[tuple[CrateFolder, CrateVerdict]]:
    """Yield the crates with their verdicts, in the order given; as `verify_crate`."""
    for crate in crates:
        verdict = verify_crate(
            crate.name,
            crate.version,
            crate.folder,
            work=work,
            vendor=vendor,
            sandbox=sandbox,
            toolchain=toolchain,
            config=config,
        )
        yield crate, verdict


def verify_crate(
    name: str,
    version: str,
    folder: Path,
    *,
    work: Path,
    vendor: Path | None,
    sandbox: Sandbox,
    toolchain: Toolchain,
    config: CompileConfig,
) -> CrateVerdict:
    """Check the library of the crate in `folder` with its default features, from scratch.

    `vendor` is the directory source of its dependencies. `work/NAME-VERSION` holds what came of
    it, for `Laboratory`; it may be deleted. Raises CargoError without a toolchain, SandboxError
    when a folder cannot be read in the sandbox; nothing that the crate does raises anything.
    """
    start = time.monotonic()
    share = config.crates_together > 1
    crate = crate_in(CrateFolder(name, version, folder), work=work, vendor=vendor, share=share)
    shutil.rmtree(crate.work, ignore_errors=True)
    crate.work.mkdir(parents=True, mode=0o755)
    if share:
        _forget(crate)
    outcome = check_untrusted(
        crate,
        sandbox=sandbox if share else sandbox.fresh(),
        toolchain=toolchain,
        seconds=config.seconds,
        jobs=config.jobs,
    )
    try:
        said = read_messages(outcome.stdout, str(crate.source / "Cargo.toml"))
        compiles, why = judge(outcome, said)
    except (KeyError, TypeError, AttributeError):
        return CrateVerdict(
            "unknown", "cargo's output is not cargo's", (), time.monotonic() - start
        )
    files = _files(crate, said.artifacts) if compiles == "yes" else _files_read(crate)
    if compiles == "unknown":
        files = ()
    return CrateVerdict(compiles, why, files, time.monotonic() - start)


def _forget(crate: UntrustedCrate) -> None:
    """Let cargo call rustc for the crate itself, though it was compiled as a dependency before."""
    fingerprints = crate.target / "debug" / ".fingerprint"
    if os.path.realpath(fingerprints) != str(fingerprints):
        return
    for folder in fingerprints.glob(f"{crate.name}-*"):
        if re.fullmatch(r"[0-9a-f]{16}", folder.name.removeprefix(f"{crate.name}-")):
            shutil.rmtree(folder, ignore_errors=True)


def _files(crate: UntrustedCrate, artifacts: Iterable[str]) -> tuple[str, ...]:
    """Files of the crate that rustc read for these outputs, by its dep-info."""
    found: set[str] = set()
    for artifact in artifacts:
        stem = Path(artifact).name.rpartition(".")[0].removeprefix("lib")
        found |= _dep_info(crate, Path(artifact).with_name(f"{stem}.d"))
    return tuple(sorted(found))


def _files_read(crate: UntrustedCrate) -> tuple[str, ...]:
    """The same where there are no outputs: rustc may have got as far as its dep-info."""
    found: set[str] = set()
    stem = crate.name.replace("-", "_")
    deps = crate.target / "debug" / "deps"
    for path in sorted(deps.glob(f"{stem}-*.d")):
        found |= _dep_info(crate, path)
    return tuple(sorted(found))


def _dep_info(crate: UntrustedCrate, path: Path) -> set[str]:
    data = read_untrusted(path, below=crate.target, limit=_DEP_INFO)
    found: set[str] = set()
    for line in (data or b"").decode(errors="replace").splitlines():
        if line.endswith(":") and not line.startswith("#"):
            name = os.path.normpath(crate.source / re.sub(r"\\(.)", r"\1", line[:-1]))
            relative = name.removeprefix(f"{crate.source}/")
            if relative != name and (crate.source / relative).is_file():
                found.add(relative)
    return found
