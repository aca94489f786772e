"""Parquet tables: row groups are units, columns have the names that the source gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from m31r_core.errors import M31RError
from m31r_data.config import SourceConfig
from m31r_data.readers import list_units
from tests.data.readers.made import LIB, LIMITS, documents, read, reasons

pyarrow = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def write(file: Path, rows: int = 30, group: int = 4, **columns: list[object]) -> Path:
    table = {
        "content": [LIB + f"// {i}\n" * 20 for i in range(rows)],
        "path": [f"src/{i}.rs" for i in range(rows)],
        "repo": ["somebody/thing"] * rows,
        "licenses": [["MIT", "ISC"]] * rows,
        "stars": list(range(rows)),
    }
    pq.write_table(pyarrow.table({**table, **columns}), file, row_group_size=group)
    return file


def source_of(path: Path) -> SourceConfig:
    return SourceConfig(
        path, text_column="content", package_column="repo", license_column="licenses"
    )


@pytest.mark.parametrize(("unit_bytes", "units"), [(1, 8), (10**9, 1)])
def test_every_row_is_read_once_in_order(tmp_path: Path, unit_bytes: int, units: int) -> None:
    source = source_of(write(tmp_path / "t.parquet"))
    assert len(list(list_units([source], tmp_path, unit_bytes, LIMITS))) == units
    found = documents(read(source, tmp_path, unit_bytes=unit_bytes))
    assert [one.path for one in found] == [f"src/{i}.rs" for i in range(30)]
    first = found[0]
    assert (first.package, first.version, first.license) == ("somebody/thing", "", "MIT AND ISC")


def test_a_folder_of_tables(tmp_path: Path) -> None:
    folder = tmp_path / "tables" / "rust"
    folder.mkdir(parents=True)
    for name in ("b", "a"):
        write(folder / f"{name}.parquet", 2)
    units = list(list_units([source_of(tmp_path / "tables")], tmp_path, 1000, LIMITS))
    assert [unit.name for unit in units] == ["rust/a.parquet#000000", "rust/b.parquet#000000"]


def test_rows_that_cannot_be_documents(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", 2, path=["a.py", "a.rs"], licenses=[["MIT"], None])
    found = read(source_of(path), tmp_path)
    assert reasons(found) == ["not Rust"]
    assert documents(found)[0].license == ""


def test_what_is_no_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(M31RError, match="no column 'text'"):
        read(write(tmp_path / "t.parquet"), tmp_path)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(M31RError, match=r"bad\.parquet: not a Parquet file"):
        read(source_of(tmp_path / "bad.parquet"), tmp_path)
    path = write(tmp_path / "cut.parquet", path=[None] * 30)
    with pytest.raises(M31RError, match="not a table of documents"):
        read(source_of(path), tmp_path)
