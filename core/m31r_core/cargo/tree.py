"""What lies in the user's workspace right now: every file with a version that tells it apart.

The version of a Rust file is a digest of its text, that of any other file its stamp. Reading is
cheap the second time: a text is read again only when its stamp changed, or when the stamp was so
young that a second write could have left it as it is.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR

from m31r_core.cargo.process import CargoError, Deadline

LARGEST_COPY = 1 << 20
"""Bytes; a larger file that is no Rust is linked instead of copied."""

SETTLED_NS = 50_000_000
"""A stamp younger than this may hide a second write: file systems count time in steps."""

SKIPPED = frozenset({".git", ".hg", ".svn", "node_modules"})
CONFIGURATION = (".cargo/config.toml", ".cargo/config", "rust-toolchain.toml", "rust-toolchain")

Stamp = tuple[int, int, int, int]
Entry = Path | os.DirEntry[str]


@dataclass(frozen=True)
class Tree:
    """The saved files of a workspace: absolute path -> version."""

    versions: Mapping[str, str]

    def read(self, path: str) -> bytes:
        """Return the text of a Rust file; raises CargoError when it changed since."""
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise CargoError(f"{path}: {error.strerror}") from error
        if version_of(data) != self.versions.get(path):
            raise CargoError(f"{path}: changed on disk while it was checked")
        return data


def version_of(data: bytes) -> str:
    """Return the version of a Rust file with this text."""
    return "text:" + hashlib.blake2b(data, digest_size=16).hexdigest()


def is_rust(path: str) -> bool:
    """Whether the file is told apart by its text; all others configure the build."""
    return path.endswith(".rs")


class Scanner:
    """Looks at the files that building a workspace may read; remembers digests of texts.

    `home` is the folder of our own copies, which is never looked into.
    """

    def __init__(self, roots: Sequence[Path], home: Path) -> None:
        self._roots = [str(root) for root in roots]
        self._home = str(home)
        self._texts: dict[str, tuple[Stamp, str]] = {}

    def scan(self, deadline: Deadline) -> Tree:
        """Return the files as they are now. Raises CargoError at the deadline."""
        versions: dict[str, str] = {}
        for path, entry in self._sources(deadline):
            try:
                version = self._version(path, entry)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise CargoError(f"{path}: {error.strerror}") from error
            versions[path] = version
        for path in self._texts.keys() - versions.keys():
            del self._texts[path]
        return Tree(versions)

    def _version(self, path: str, entry: Entry) -> str:
        if entry.is_symlink() and not (is_rust(path) and Path(path).is_file()):
            return f"link:{Path(path).readlink()}"
        stat = entry.stat()
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ctime_ns, stat.st_ino)
        if S_ISDIR(stat.st_mode):
            return f"folder:{stamp}"
        if not is_rust(path):
            kind = "big" if stat.st_size > LARGEST_COPY else "stamp"
            return f"{kind}:{stamp}"
        known = self._texts.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        now = time.time_ns()
        version = version_of(Path(path).read_bytes())
        if now - max(stamp[0], stamp[2]) > SETTLED_NS:
            self._texts[path] = (stamp, version)
        else:
            self._texts.pop(path, None)
        return version

    def _sources(self, deadline: Deadline) -> Iterator[tuple[str, Entry]]:
        """Files, links and vendored packages, each once."""
        root = Path(self._roots[0])
        cargo_home = Path(os.environ.get("CARGO_HOME", "~/.cargo")).expanduser()
        for parent in root.parents:
            for name in CONFIGURATION:
                path = parent / name
                if path.is_file() and path.parent != cargo_home:
                    yield str(path), path
        yield from self._beside_root(root)
        for folder in self._roots:
            yield from self._walk(folder, deadline)

    def _beside_root(self, root: Path) -> Iterator[tuple[str, Entry]]:
        """Files above the root in the same repository, such as a README that the crate includes."""
        above: list[Path] = []
        for parent in (root, *root.parents):
            above.append(parent)
            if (parent / ".git").exists():
                for folder in above[1:]:
                    for path in sorted(folder.iterdir()):
                        if path.is_file():
                            yield str(path), path
                return

    def _walk(self, folder: str, deadline: Deadline) -> Iterator[tuple[str, Entry]]:
        deadline.left()
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        names = {entry.name for entry in entries}
        if "CACHEDIR.TAG" in names:
            return
        for entry in entries:
            if entry.is_symlink() or entry.is_file():
                yield entry.path, entry
            elif entry.is_dir() and not self._skips(entry, names):
                if Path(entry.path, ".cargo-checksum.json").exists():
                    yield entry.path, entry
                else:
                    yield from self._walk(entry.path, deadline)

    def _skips(self, entry: os.DirEntry[str], beside: set[str]) -> bool:
        """Whether the folder is none of the user's work; a module may be called target too."""
        if entry.name == "target" and "Cargo.toml" in beside:
            return True
        return entry.name in SKIPPED or entry.path == self._home
