"""Packs: whole or in pieces, every line is read once, and what is broken is named."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from m31r_core.errors import M31RError
from m31r_data.config import ArchiveLimits, SourceConfig
from m31r_data.document import Document
from m31r_data.readers import list_units, read_unit
from tests.data.readers.made import LIB, LIMITS, documents, read, reasons


def line(**values: object) -> str:
    row = {"package": "p", "version": "1.0.0", "path": "src/lib.rs", "license": "MIT", "text": LIB}
    return json.dumps({**row, **values}) + "\n"


def write(path: Path, lines: list[str]) -> Path:
    data = "".join(lines).encode()
    if path.suffix == ".zst":
        data = zstandard.compress(data)
    elif path.suffix == ".gz":
        data = gzip.compress(data)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst", ".jsonl.gz"])
@pytest.mark.parametrize("unit_bytes", [1, 150, 1000, 10**6])
def test_every_line_is_read_once_in_order(tmp_path: Path, suffix: str, unit_bytes: int) -> None:
    pack = write(tmp_path / f"p{suffix}", [line(path=f"src/{i}.rs") for i in range(60)])
    found = documents(read(pack, tmp_path / "spool", unit_bytes=unit_bytes))
    assert [document.path for document in found] == [f"src/{i}.rs" for i in range(60)]
    assert found[0] == Document("p", "1.0.0", "src/0.rs", "MIT", "src", LIB, "pack")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=20), st.integers(1, 900), st.booleans())
def test_lines_of_any_length(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], unit_bytes: int, last: bool
) -> None:
    folder = tmp_path_factory.mktemp("pack")
    lines = [line(path=f"{i}.rs", text="x" * n) for i, n in enumerate(lengths)]
    lines[-1] = lines[-1] if last else lines[-1].removesuffix("\n")
    for suffix in (".jsonl", ".jsonl.zst"):
        pack = write(folder / f"p{suffix}", lines)
        found = documents(read(pack, folder / "spool", unit_bytes=unit_bytes))
        assert [len(document.text) for document in found] == lengths


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst"])
@pytest.mark.parametrize("broken", ["not json\n", '{"text": 1}\n', "[1]\n", line(text=None)])
def test_a_broken_line_is_named(tmp_path: Path, suffix: str, broken: str) -> None:
    lines = [line(path=f"{i}.rs") for i in range(40)]
    pack = write(tmp_path / f"p{suffix}", [*lines, broken, *lines])
    with pytest.raises(M31RError, match=rf"p{suffix}: line 41 is not a document"):
        read(pack, tmp_path / "spool")


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    pack = write(tmp_path / "p.jsonl", [line()])
    with pytest.raises(M31RError, match="no column 'content'"):
        read(SourceConfig(pack, text_column="content"), tmp_path)


def test_columns_of_the_stack(tmp_path: Path) -> None:
    row = {
        "content": LIB,
        "max_stars_repo_path": "crates/a/tests/it.rs",
        "max_stars_repo_name": "somebody/thing",
        "max_stars_repo_licenses": ["MIT", "Apache-2.0 OR GPL-3.0-only"],
    }
    pack = tmp_path / "p.jsonl"
    pack.write_text(json.dumps(row) + "\n" + json.dumps({**row, "max_stars_repo_licenses": []}))
    source = SourceConfig(
        pack,
        text_column="content",
        path_column="max_stars_repo_path",
        package_column="max_stars_repo_name",
        license_column="max_stars_repo_licenses",
    )
    first, second = documents(read(source, tmp_path))
    assert first.package == "somebody/thing"
    assert first.license == "MIT AND (Apache-2.0 OR GPL-3.0-only)"
    assert (second.license, second.license_from) == ("", "")


def test_rows_that_cannot_be_documents_are_dropped(tmp_path: Path) -> None:
    rows = [
        line(path="setup.py"),
        line(path="a\nb.rs"),
        line(text="x" * 101),
        line(text="\ud800"),
        line(text="é" * 51),
        line(text="é" * 50),
    ]
    limits = ArchiveLimits(max_file_bytes=100)
    found = read(write(tmp_path / "p.jsonl", rows), tmp_path, limits)
    assert reasons(found) == [
        "not Rust",
        "unprintable name",
        "too large",
        "not UTF-8",
        "too large",
    ]
    assert [document.text for document in documents(found)] == ["é" * 50]


def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    limits = ArchiveLimits(max_file_bytes=10)
    rows = [line(text="a"), line(text="x" * 2_000_000), line(text="b")]
    found = read(write(tmp_path / "p.jsonl", rows), tmp_path, limits, unit_bytes=10**7)
    assert reasons(found) == ["too large"]
    assert [document.text for document in documents(found)] == ["a", "b"]


def test_headers_overrule_and_what_is_given_is_kept(tmp_path: Path) -> None:
    header = "// SPDX-License-Identifier: GPL-3.0-only\n"
    given_ = {"license_from": "workspace", "kind": "fixture", "package": None}
    pack = write(tmp_path / "p.jsonl", [line(text=header), line(**given_, path="a/b/c/d/e.rs")])
    first, second = documents(read(pack, tmp_path))
    assert (first.license, first.license_from) == ("GPL-3.0-only", "SPDX header")
    assert (second.license_from, second.kind, second.package) == ("workspace", "fixture", "a/b/c")


def test_a_pack_is_spooled_once_and_again_when_it_changed(tmp_path: Path) -> None:
    lines = [line(path=f"{i}.rs") for i in range(50)]
    pack = write(tmp_path / "p.jsonl.zst", lines)
    spool = tmp_path / "spool"
    source = [SourceConfig(pack)]
    units = list(list_units(source, spool, 1000, LIMITS))
    written = {unit.path: unit.path.stat().st_mtime_ns for unit in units}
    assert list(list_units(source, spool, 1000, LIMITS)) == units
    assert {path: path.stat().st_mtime_ns for path in written} == written

    write(pack, [*lines, line(path="new.rs")])
    longer = list(list_units(source, spool, 1000, LIMITS))
    # What stayed the same keeps its fingerprint: only the end is new work.
    assert [unit.fingerprint for unit in longer[: len(units) - 1]] == [
        unit.fingerprint for unit in units[:-1]
    ]
    assert longer[-1].fingerprint != units[-1].fingerprint
    assert len(list(spool.iterdir())) == 1  # the old pieces are gone


def test_what_an_interrupted_run_left_in_the_spool_is_not_used(tmp_path: Path) -> None:
    pack = write(tmp_path / "p.jsonl.zst", [line(path=f"{i}.rs") for i in range(50)])
    spool = tmp_path / "spool"
    units = list(list_units([SourceConfig(pack)], spool, 1000, LIMITS))
    folder = units[0].path.parent
    units[3].path.write_bytes(b"cut off")
    partial = folder.rename(folder.with_name(f"{folder.name}.partial"))
    assert len(documents(read(pack, spool))) == 50
    assert not partial.exists()
    units[3].path.write_bytes(b"damaged")
    assert len(documents(read(pack, spool))) == 50


def test_a_damaged_pack_is_named(tmp_path: Path) -> None:
    pack = write(tmp_path / "p.jsonl.zst", [line()] * 100)
    pack.write_bytes(pack.read_bytes()[:-20] + b"x" * 20)
    with pytest.raises(M31RError, match=r"p\.jsonl\.zst: cannot be unpacked"):
        read(pack, tmp_path / "spool")
    pack.write_bytes(zstandard.compress((line() * 100).encode())[:-20])
    with pytest.raises(M31RError, match=r"p\.jsonl\.zst: cannot be unpacked .it ends too soon"):
        read(pack, tmp_path / "spool")


def test_a_folder_of_packs(tmp_path: Path) -> None:
    folder = tmp_path / "packs"
    folder.mkdir()
    write(folder / "b.jsonl", [line(package="b")])
    write(folder / "a.jsonl.zst", [line(package="a")])
    (folder / "README.md").write_text("packs")
    assert [one.package for one in documents(read(folder, tmp_path / "spool"))] == ["a", "b"]


def test_a_unit_is_read_without_the_others(tmp_path: Path) -> None:
    pack = write(tmp_path / "p.jsonl", [line(path=f"{i}.rs") for i in range(60)])
    source = [SourceConfig(pack)]
    units = list(list_units(source, tmp_path, 1000, LIMITS))
    again = [list(read_unit(unit, source, LIMITS)) for unit in reversed(units)]
    assert sum(map(len, again)) == 60
    assert again == [list(read_unit(unit, source, LIMITS)) for unit in reversed(units)]
