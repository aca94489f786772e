"""Small archives, good and evil, and what the readers make of them."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from m31r_data.config import ArchiveLimits, SourceConfig
from m31r_data.document import Document, Dropped
from m31r_data.readers import list_units, read_unit

LIMITS = ArchiveLimits()
MANIFEST = '[package]\nname = "{name}"\nversion = "1.2.3"\nlicense = "MIT"\n'
LIB = "pub fn one() -> u32 {\n    1\n}\n"


def crate_files(name: str = "a", folder: str = "a-1.2.3") -> dict[str, str | bytes]:
    return {f"{folder}/Cargo.toml": MANIFEST.format(name=name), f"{folder}/src/lib.rs": LIB}


def write_files(top: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return top


def tar_bytes(
    files: Mapping[str, str | bytes], special: tuple[tarfile.TarInfo, ...] = (), mode: str = "w"
) -> bytes:
    """Return a tar archive; `mode` is `w`, `w:gz`, `w:xz` or `w:bz2`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in special:
            archive.addfile(info)
    return buffer.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


def ar_bytes(members: Mapping[str, bytes]) -> bytes:
    parts = [b"!<arch>\n"]
    for name, data in members.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n"
        parts += [header.encode(), data, b"\n" * (len(data) % 2)]
    return b"".join(parts)


def crate_archive(folder: Path, data: bytes, name: str = "a-1.2.3.crate") -> Path:
    """Write a tar archive as a .crate file."""
    path = folder / name
    path.write_bytes(gzip.compress(data))
    return path


def read(
    source: SourceConfig | Path, spool: Path, limits: ArchiveLimits = LIMITS, unit_bytes: int = 1000
) -> list[Document | Dropped]:
    """Read a whole source."""
    sources = [source if isinstance(source, SourceConfig) else SourceConfig(source)]
    units = list(list_units(sources, spool, unit_bytes, limits))
    assert [unit.name for unit in units] == sorted(unit.name for unit in units)
    return [found for unit in units for found in read_unit(unit, sources, limits)]


def reasons(found: list[Document | Dropped]) -> list[str]:
    return [one.reason for one in found if isinstance(one, Dropped)]


def documents(found: list[Document | Dropped]) -> list[Document]:
    return [one for one in found if isinstance(one, Document)]
