"""What real tools pack and real crates hold."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from m31r_data.config import SourceConfig
from m31r_data.licences import is_permissive
from m31r_data.readers import list_units, read_unit
from tests.core.mutants import ARCHIVE, SHARED
from tests.data.readers.made import LIB, LIMITS, MANIFEST, documents, read, reasons, write_files

CORPUS = SHARED / "corpus" / "rust-permissive-2026-11-23.jsonl.zst"


def run(*command: str, cwd: Path) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not installed")
def test_what_cargo_packs(tmp_path: Path) -> None:
    crate = write_files(
        tmp_path / "a",
        {
            "Cargo.toml": f'{MANIFEST.format(name="a")}edition = "2021"\ndescription = "a"\n',
            "src/lib.rs": LIB,
            "tests/it.rs": "#[test]\nfn one() {}\n",
        },
    )
    run("cargo", "package", "--offline", "--no-verify", "--allow-dirty", "--quiet", cwd=crate)
    found = documents(read(crate / "target/package/a-1.2.3.crate", tmp_path))
    assert {(one.path, one.kind, one.license) for one in found} == {
        ("a-1.2.3/src/lib.rs", "src", "MIT"),
        ("a-1.2.3/tests/it.rs", "test", "MIT"),
    }


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed")
@pytest.mark.parametrize("compression", ["xz", "gzip", "none"])
def test_what_dpkg_packs(tmp_path: Path, compression: str) -> None:
    folder = write_files(
        tmp_path / "package",
        {
            "DEBIAN/control": "Package: librust-a-dev\nVersion: 1.2.3-1\nArchitecture: all\n"
            "Maintainer: a <a@example.org>\nDescription: a\n",
            "usr/share/cargo/registry/a-1.2.3/Cargo.toml": MANIFEST.format(name="a"),
            "usr/share/cargo/registry/a-1.2.3/src/lib.rs": LIB,
            "usr/share/doc/librust-a-dev/copyright": "Files: *\nLicense: Expat\n",
        },
    )
    run("dpkg-deb", f"-Z{compression}", "--build", str(folder), "a.deb", cwd=tmp_path)
    (found,) = documents(read(tmp_path / "a.deb", tmp_path))
    assert (found.path, found.license_from) == ("a-1.2.3/src/lib.rs", "debian/copyright")


@pytest.mark.skipif(not ARCHIVE.is_file(), reason=f"no crates at {ARCHIVE}")
def test_crates_as_debian_ships_them(tmp_path: Path) -> None:
    names = ("bitflags-2", "memchr-2", "ring-0", "tokio-1", "uuid-1", "zerovec-0")
    with tarfile.open(ARCHIVE) as archive:
        members = (member for member in archive if member.name.startswith(names))
        archive.extractall(tmp_path / "crates", members=members, filter="data")
    found = read(tmp_path / "crates", tmp_path)
    assert reasons(found) == []
    crates = {one.package: one for one in documents(found)}
    assert set(crates) == {"bitflags", "memchr", "ring", "tokio", "uuid", "zerovec"}
    assert all(one.license_from for one in documents(found))
    assert crates["tokio"].license == "MIT"
    assert crates["zerovec"].license == "Unicode-3.0"
    headers = {one.license for one in documents(found) if one.license_from == "SPDX header"}
    assert all(is_permissive(licence) for licence in headers)


@pytest.mark.skipif(not CORPUS.is_file(), reason=f"no corpus at {CORPUS}")
def test_the_frozen_corpus(tmp_path: Path) -> None:
    sources = [SourceConfig(CORPUS)]
    units = list(list_units(sources, tmp_path / "spool", 8_000_000, LIMITS))
    assert sum(unit.size for unit in units) == 535_463_445
    assert max(unit.size for unit in units) < 9_000_000
    for unit in (units[0], units[-1]):
        found = list(read_unit(unit, sources, LIMITS))
        assert reasons(found) == []
        assert all(is_permissive(one.license) for one in documents(found))
