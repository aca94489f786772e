"""Real crates to put completions and repairs into: unpacked, built once, checked in milliseconds.

`--crates` names a directory source of cargo (a folder of `NAME-VERSION` folders that holds the
dependencies too), or an archive of one.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import tomllib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from m31r_core.cargo.crate_compiler import CrateCompiler, prepare_crate
from m31r_core.cargo.sandbox import Sandbox
from m31r_core.cargo.toolchain import Toolchain
from m31r_core.cargo.untrusted import UntrustedCrate
from m31r_core.errors import ConfigError, M31RError
from m31r_eval.progress import track
from m31r_eval.workers import Failed, work_on

_UNPACKED = ".unpacked"


@dataclass(frozen=True)
class CratePool:
    """Where crates lie and what they are checked with; it can be sent to another process.

    `source` is the directory source, `work` a folder of ours that holds what cargo builds.
    """

    source: Path
    work: Path
    sandbox: Sandbox
    toolchain: Toolchain
    prepare_s: float

    def crate(self, folder: str) -> UntrustedCrate:
        """Return how the crate in `folder` is checked. Raises ConfigError where there is none."""
        place = (self.source / folder).resolve()
        if not (place / "Cargo.toml").is_file() or place.parent != self.source.resolve():
            raise ConfigError(f"{self.source / folder}: no crate there")
        name, version = _package(place / "Cargo.toml")
        registered = version if (place / ".cargo-checksum.json").is_file() else ""
        # Builds name the files that they are of.
        work = self.work.resolve() / f"built-{self.source.name}" / folder
        return UntrustedCrate(name, place, work, self.source.resolve(), registered)


class OpenCrates:
    """The crates that one process has open: warm, and not more than `most` at a time."""

    def __init__(self, pool: CratePool, most: int, *, lanes: int = 1) -> None:
        self._pool = pool
        self._most = most
        self._lanes = lanes
        self._open: OrderedDict[str, CrateCompiler] = OrderedDict()

    def get(self, folder: str, base: Mapping[str, bytes]) -> CrateCompiler:
        """Return the crate in `folder` with `base`, whole texts by path, laid over it."""
        compiler = self._open.pop(folder, None)
        if compiler is None:
            while len(self._open) >= self._most:
                _, oldest = self._open.popitem(last=False)
                oldest.close()
            compiler = CrateCompiler(
                self._pool.crate(folder),
                base,
                sandbox=self._pool.sandbox,
                toolchain=self._pool.toolchain,
                scratch=self._pool.work / "lanes" / str(os.getpid()) / folder,
                lanes=self._lanes,
            )
        compiler.over(base)
        self._open[folder] = compiler
        return compiler


@cache
def _package(manifest: Path) -> tuple[str, str]:
    """Return name and version of a package. Raises ConfigError for a manifest of none."""
    try:
        package = tomllib.loads(manifest.read_text(encoding="utf-8"))["package"]
        return str(package["name"]), str(package["version"])
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{manifest}: not the manifest of a package ({error})") from error


def unpack(crates: Path, work: Path) -> Path:
    """Return the directory source that `crates` is or, unpacked below `work`, holds.

    What was unpacked there before is used again: it is what cargo's builds in `work` are of.
    Raises ConfigError for what is neither a folder nor an archive.
    """
    if crates.is_dir():
        return crates
    try:
        with crates.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        to = work / f"source-{digest[:16]}"
        if (to / _UNPACKED).is_file():
            return to
        with tarfile.open(crates) as archive:
            archive.extractall(to, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise ConfigError(
            f"{crates}: neither a folder nor an archive of crates ({error})"
        ) from error
    for path in (to, *to.rglob("*")):
        # Another user looks at them from within the sandbox.
        path.chmod(0o755 if path.is_dir() else 0o644)
    (to / _UNPACKED).touch()
    return to


def prepare(pool: CratePool, folders: Sequence[str], *, workers: int) -> None:
    """Build what is not built yet. Raises M31RError naming a crate that does not compile here."""
    (pool.work / "lanes").mkdir(parents=True, exist_ok=True)
    wanted = [name for name in folders if not _is_prepared(pool.crate(name))]
    done = work_on(wanted, _open_preparing, pool, workers=workers, seconds=2 * pool.prepare_s + 60)
    for each in track(done, "crates", len(wanted)):
        if isinstance(each.result, Failed):
            raise M31RError(each.result.reason)


def _open_preparing(pool: CratePool) -> Callable[[str], None]:
    def do(folder: str) -> None:
        crate = pool.crate(folder)
        crate.work.mkdir(parents=True, exist_ok=True, mode=0o755)
        prepare_crate(
            crate,
            sandbox=pool.sandbox.fresh(),
            toolchain=pool.toolchain,
            seconds=pool.prepare_s,
            jobs=1,
        )
        (crate.work / "prepared").write_text(pool.toolchain.version, encoding="utf-8")

    return do


def _is_prepared(crate: UntrustedCrate) -> bool:
    return (crate.work / "prepared").is_file()
