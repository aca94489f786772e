"""Archives that were made to do harm are refused whole, soon, and stop nothing."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from m31r_data.config import ArchiveLimits
from tests.data.readers.made import (
    LIB,
    LIMITS,
    ar_bytes,
    crate_archive,
    crate_files,
    documents,
    read,
    reasons,
    special,
    tar_bytes,
)

MEGABYTE = 1_000_000
ZEROS = bytes(MEGABYTE)


def refusal(data: bytes, folder: Path, name: str, limits: ArchiveLimits = LIMITS) -> str:
    """Return why an archive is refused, having seen that nothing of it came out before."""
    (folder / name).write_bytes(data)
    found = read(folder / name, folder, limits)
    assert len(found) == 1, found
    (reason,) = reasons(found)
    return reason.removeprefix("archive refused: ")


def tar_refusal(data: bytes, folder: Path, limits: ArchiveLimits = LIMITS) -> str:
    return refusal(gzip.compress(data), folder, "a-1.2.3.crate", limits)


@pytest.mark.parametrize(
    "name", ["../evil.rs", "/etc/evil.rs", "a-1.2.3/../../evil.rs", "C:\\evil.rs", "a\\..\\evil.rs"]
)
def test_names_that_lead_outside(tmp_path: Path, name: str) -> None:
    assert tar_refusal(tar_bytes(crate_files() | {name: LIB}), tmp_path) == "a name leads outside"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, content in (crate_files() | {name: LIB}).items():
            archive.writestr(member, content)
    assert refusal(buffer.getvalue(), tmp_path, "a.zip") == "a name leads outside"
    assert not list(tmp_path.parent.glob("evil.rs"))


def test_a_name_with_nul_in_a_zip(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("src/lib.rsXetc", LIB)
    data = buffer.getvalue().replace(b"lib.rsXetc", b"lib.rs\0etc")
    assert refusal(data, tmp_path, "a.zip") == "a name leads outside"


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"Z"])
def test_devices_and_pipes(tmp_path: Path, kind: bytes) -> None:
    data = tar_bytes(crate_files(), (special("a-1.2.3/src/dev.rs", kind),))
    # tarfile takes a type that it does not know for a file.
    if kind == b"Z":
        assert read(crate_archive(tmp_path, data), tmp_path)
    else:
        assert tar_refusal(data, tmp_path) == "not a regular file"


def test_a_name_that_stands_there_twice(tmp_path: Path) -> None:
    data = tar_bytes(crate_files() | {"./a-1.2.3/src/lib.rs": "// another\n"})
    assert tar_refusal(data, tmp_path) == "a name stands there twice"


def test_limits(tmp_path: Path) -> None:
    data = tar_bytes(crate_files() | {f"a-1.2.3/src/{i}.rs": LIB for i in range(50)})
    assert tar_refusal(data, tmp_path, ArchiveLimits(max_files=50)) == "too many files"
    assert tar_refusal(data, tmp_path, ArchiveLimits(max_bytes=9_000)) == "unpacks to too much"
    assert len(documents(read(crate_archive(tmp_path, data), tmp_path))) == 51


def endless_tar(pack: Callable[[bytes], bytes], megabytes: int) -> bytes:
    """Return a packed tar archive whose only member has so many megabytes of zeros."""
    info = tarfile.TarInfo("a-1.2.3/zeros.rs")
    info.size = megabytes * MEGABYTE
    return pack(info.tobuf() + ZEROS * megabytes + bytes(1024))


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.crate", gzip.compress),
        ("a.tar.bz2", bz2.compress),
        ("a.tar.xz", lzma.compress),
        ("a.tar.zst", zstandard.compress),
    ],
)
def test_bombs_are_not_unpacked(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    bomb = endless_tar(pack, 50)
    tracemalloc.start()
    try:
        assert refusal(bomb, tmp_path, name) == "packed too well"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * MEGABYTE


def test_a_bomb_in_a_debian_package(tmp_path: Path) -> None:
    members = {"debian-binary": b"2.0\n", "data.tar.gz": endless_tar(gzip.compress, 20)}
    # What lies beside the data does not count.
    deb = ar_bytes(members | {"zzz": zlib.compress(ZEROS, 0)})
    assert refusal(deb, tmp_path, "a.deb", ArchiveLimits(max_ratio=20)) == "packed too well"


def test_zip_bombs(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(40):
            archive.writestr(f"a-1.2.3/src/{i}.rs", ZEROS)
    assert refusal(buffer.getvalue(), tmp_path, "a.zip") == "packed too well"
    limits = ArchiveLimits(max_ratio=2_000, max_bytes=30 * MEGABYTE)
    assert refusal(buffer.getvalue(), tmp_path, "a.zip", limits) == "unpacks to too much"


def test_a_zip_that_lies_about_its_sizes(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a-1.2.3/src/lib.rs", ZEROS * 50)
    size = struct.pack("<L", 50 * MEGABYTE)
    data = buffer.getvalue().replace(size, struct.pack("<L", 100))
    tracemalloc.start()
    try:
        assert refusal(data, tmp_path, "a.zip") == "damaged"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * MEGABYTE


def test_headers_that_fill_the_memory(tmp_path: Path) -> None:
    long_name = tarfile.TarInfo("a-1.2.3/" + "x" * 2 * MEGABYTE)
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
            archive.addfile(long_name)
        assert refusal(buffer.getvalue(), tmp_path, "a.tar") == "too large a header"


def test_sparse_files(tmp_path: Path) -> None:
    info = special("a-1.2.3/src/sparse.rs", tarfile.GNUTYPE_SPARSE)
    assert tar_refusal(tar_bytes(crate_files(), (info,)), tmp_path) == "not a regular file"


def test_a_chain_of_headers_without_end(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    assert tar_refusal(header.tobuf() * 3_000, tmp_path) in ("too large a header", "damaged")


@pytest.mark.parametrize("name", ["a.crate", "a.zip", "a.deb", "a.tar.xz", "a.tar.zst"])
@pytest.mark.parametrize("data", [b"", b"no archive", b"!<arch>\n", b"PK\x05\x06", b"\x1f\x8b\x08"])
def test_what_is_no_archive(tmp_path: Path, name: str, data: bytes) -> None:
    assert refusal(data, tmp_path, name) == "damaged"


def test_an_archive_that_was_cut_off_or_damaged(tmp_path: Path) -> None:
    files = crate_files() | {f"a-1.2.3/src/{i}.rs": f"// {i}\n" * 400 for i in range(20)}
    for name, pack in (("a.crate", gzip.compress), ("a.tar.zst", zstandard.compress)):
        data = pack(tar_bytes(files))
        for end in (10, len(data) // 2, len(data) - 9):
            assert refusal(data[:end], tmp_path, name) == "damaged"
    plain = tar_bytes(files)
    assert refusal(plain[: 512 * 7], tmp_path, "a.tar") == "damaged"
    header = plain.index(b"a-1.2.3/src/9.rs")
    garbage = plain[:header] + b"?" * 512 + plain[header + 512 :]
    assert refusal(garbage, tmp_path, "a.tar") == "damaged"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_damage_is_more_than_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    name, whole = data.draw(st.sampled_from(WHOLE))
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    (folder / name).write_bytes(damaged)
    for reason in reasons(read(folder / name, folder, ArchiveLimits(max_bytes=MEGABYTE))):
        assert reason


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in crate_files().items():
            archive.writestr(name, content)
    return buffer.getvalue()


WHOLE = [
    ("a.tar", tar_bytes(crate_files())),
    ("a.crate", gzip.compress(tar_bytes(crate_files()))),
    ("a.tar.zst", zstandard.compress(tar_bytes(crate_files()))),
    ("a.tar.xz", tar_bytes(crate_files(), mode="w:xz")),
    ("a.zip", _zip()),
    ("a.deb", ar_bytes({"data.tar": tar_bytes(crate_files())})),
]


def test_one_bad_archive_stops_nothing(tmp_path: Path) -> None:
    crate_archive(tmp_path, tar_bytes({"../evil.rs": LIB}), "b.crate")
    for name in ("a", "c"):
        crate_archive(tmp_path, tar_bytes(crate_files(name)), f"{name}.crate")
    found = read(tmp_path, tmp_path)
    assert [one.package for one in documents(found)] == ["a", "c"]
    assert reasons(found) == ["archive refused: a name leads outside"]
