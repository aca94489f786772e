"""Crates in archives: `.crate` files, Python source distributions, Debian packages."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard

from m31r_core.errors import M31RError
from m31r_data.config import ArchiveLimits, SourceConfig
from m31r_data.document import Document
from m31r_data.readers import list_units
from tests.data.readers.made import (
    LIB,
    LIMITS,
    MANIFEST,
    ar_bytes,
    crate_archive,
    crate_files,
    documents,
    read,
    reasons,
    special,
    tar_bytes,
)

DEP5 = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
License: MIT or Apache-2.0

Files: src/foreign.rs
License: BSD-3-clause
"""


def zip_bytes(files: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_crate_file(tmp_path: Path) -> None:
    files = crate_files() | {
        "a-1.2.3/build.rs": "fn main() {}\n",
        "a-1.2.3/tests/ui/wrong.rs": LIB,
        "a-1.2.3/src/latin.rs": b"// \xe9\n",
        "a-1.2.3/src/large.rs": b"x" * 200,
        "a-1.2.3/.hidden/x.rs": LIB,
        "a-1.2.3/README.md": "a",
    }
    crate = crate_archive(tmp_path, tar_bytes(files))
    found = read(crate, tmp_path, ArchiveLimits(max_file_bytes=150))
    assert documents(found)[0] == Document(
        "a", "1.2.3", "a-1.2.3/src/lib.rs", "MIT", "src", LIB, "Cargo.toml"
    )
    assert [one.kind for one in documents(found)] == ["src", "build", "fixture"]
    assert reasons(found) == ["not UTF-8", "too large"]


def test_a_registry_cache_has_a_unit_for_each_crate(tmp_path: Path) -> None:
    cache = tmp_path / "index-0"
    cache.mkdir()
    for name in ("b", "a"):
        crate_archive(cache, tar_bytes(crate_files(name, f"{name}-1.2.3")), f"{name}.crate")
    units = list(list_units([SourceConfig(tmp_path)], tmp_path, 1000, LIMITS))
    assert [unit.name for unit in units] == ["index-0/a.crate", "index-0/b.crate"]
    assert [one.package for one in documents(read(tmp_path, tmp_path))] == ["a", "b"]


SDIST: dict[str, str | bytes] = {
    "thing-9/setup.py": "raise SystemExit('the build ran')\n",
    "thing-9/PKG-INFO": "License: BSD License (BSD)\n",
    "thing-9/rust/Cargo.toml": '[workspace]\nmembers = ["core"]\n'
    '[workspace.package]\nlicense = "Apache-2.0"\nversion = "9.0.0"\n',
    "thing-9/rust/core/Cargo.toml": '[package]\nname = "thing-core"\n'
    "version.workspace = true\nlicense.workspace = true\n",
    "thing-9/rust/core/src/lib.rs": LIB,
    "thing-9/rust/vendor/dep/Cargo.toml": '[package]\nname = "dep"\nversion = "0.1.0"\n',
    "thing-9/rust/vendor/dep/src/lib.rs": LIB,
    "thing-9/LICENSE": "Apache-2.0",
    "thing-9/tools/scratch.rs": LIB,
}


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar", ".zip"])
def test_crates_in_a_source_distribution(tmp_path: Path, suffix: str) -> None:
    packed = {".tar.gz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}
    data = zip_bytes(SDIST) if suffix == ".zip" else tar_bytes(SDIST, mode=packed.get(suffix, "w"))
    if suffix == ".tar.zst":
        data = zstandard.compress(data)
    (tmp_path / f"thing-9{suffix}").write_bytes(data)
    found = read(tmp_path / f"thing-9{suffix}", tmp_path)
    core, dep = documents(found)
    assert (core.package, core.version, core.license) == ("thing-core", "9.0.0", "Apache-2.0")
    assert core.path == "thing-9/rust/core/src/lib.rs"
    # Vendored, and it says nothing itself: the licence above is not its own.
    assert (dep.package, dep.license) == ("dep", "")
    assert reasons(found) == ["in no crate"]


@pytest.mark.parametrize("packed", ["xz", "zst", "gz", ""])
def test_a_debian_package_with_exceptions_in_its_copyright(tmp_path: Path, packed: str) -> None:
    top = "./usr/share/cargo/registry/a-1.2.3"
    files: dict[str, str | bytes] = {
        f"{top}/Cargo.toml": MANIFEST.format(name="a"),
        f"{top}/src/lib.rs": LIB,
        f"{top}/src/foreign.rs": LIB,
        "./usr/share/doc/librust-a-dev/copyright": DEP5,
    }
    data = tar_bytes(files, mode=f"w:{packed}" if packed in ("xz", "gz") else "w")
    if packed == "zst":
        data = zstandard.compress(data)
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": tar_bytes({"./control": "Package: a\n"}, mode="w:xz"),
        f"data.tar.{packed}".rstrip("."): data,
    }
    deb = tmp_path / "librust-a-dev_1.2.3-1_amd64.deb"
    deb.write_bytes(ar_bytes(members))
    lib, foreign = documents(read(deb, tmp_path))
    assert (lib.path, lib.license) == ("a-1.2.3/src/lib.rs", "MIT OR Apache-2.0")
    assert (foreign.license, foreign.license_from) == ("BSD-3-Clause", "debian/copyright")


def test_links_in_archives_are_dropped(tmp_path: Path) -> None:
    links = (
        special("a-1.2.3/src/passwd.rs", tarfile.SYMTYPE, "/etc/passwd"),
        special("a-1.2.3/src/hard.rs", tarfile.LNKTYPE, "../../etc/passwd"),
        special("a-1.2.3/LICENSE", tarfile.SYMTYPE, "/etc/passwd"),
    )
    found = read(crate_archive(tmp_path, tar_bytes(crate_files(), links)), tmp_path)
    assert [one.path for one in documents(found)] == ["a-1.2.3/src/lib.rs"]
    assert reasons(found) == ["a link", "a link"]


def test_links_in_zips_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in crate_files().items():
            archive.writestr(name, content)
        link = zipfile.ZipInfo("a-1.2.3/src/passwd.rs")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    found = read(path, tmp_path)
    assert (len(documents(found)), reasons(found)) == (1, ["a link"])


def test_names_that_cannot_be_written_down(tmp_path: Path) -> None:
    files = crate_files() | {"a-1.2.3/src/a\nb.rs": LIB, "a-1.2.3/src/\udce9.rs": LIB}
    found = read(crate_archive(tmp_path, tar_bytes(files)), tmp_path)
    assert reasons(found) == ["unprintable name"] * 2


def test_an_archive_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(M31RError, match="nothing"):
        read(SourceConfig(tmp_path / "nothing.crate"), tmp_path)
    with pytest.raises(M31RError, match=r"no \.crate files"):
        read(SourceConfig(tmp_path, kind="crate-files"), tmp_path)
