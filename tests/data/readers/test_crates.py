"""Folders of crates: a unit for each, known by sizes and times, and no way out of the folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from m31r_core.errors import ConfigError, M31RError
from m31r_data.config import ArchiveLimits, SourceConfig
from m31r_data.document import Document
from m31r_data.readers import kind_of_source, list_units
from m31r_data.units import Unit
from tests.data.readers.made import LIB, LIMITS, MANIFEST, documents, read, reasons, write_files

INNER = '[package]\nname = "inner"\nversion.workspace = true\nlicense.workspace = true\n'


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return write_files(
        tmp_path / "code",
        {
            "Cargo.toml": '[workspace.package]\nlicense = "MIT/ISC"\nversion = "7.0.0"\n'
            + MANIFEST.format(name="outer"),
            "src/lib.rs": LIB,
            "src/target/mod.rs": LIB,
            "tests/it.rs": LIB,
            "target/debug/build/out.rs": LIB,
            ".git/hooks/hook.rs": LIB,
            "inner/Cargo.toml": INNER,
            "inner/src/lib.rs": LIB,
            "inner/tests/ui/wrong.rs": LIB,
            "virtual/Cargo.toml": "[workspace]\n",
            "virtual/scratch.rs": LIB,
        },
    )


def units_of(folder: Path) -> dict[str, Unit]:
    units = list_units([SourceConfig(folder)], folder / "no-spool", 1000, LIMITS)
    return {unit.name: unit for unit in units}


def test_each_crate_has_its_own_files(workspace: Path, tmp_path: Path) -> None:
    found = documents(read(workspace, tmp_path))
    assert [(one.package, one.path, one.kind) for one in found] == [
        ("outer", "src/lib.rs", "src"),
        ("outer", "src/target/mod.rs", "src"),
        ("outer", "tests/it.rs", "test"),
        ("inner", "inner/src/lib.rs", "src"),
        ("inner", "inner/tests/ui/wrong.rs", "fixture"),
    ]
    assert found[3] == Document(
        "inner", "7.0.0", "inner/src/lib.rs", "MIT OR ISC", "src", LIB, "workspace"
    )
    unit = units_of(workspace)["inner"]
    assert (unit.path, unit.reader, unit.size) == (workspace / "inner", "crates", 2 * len(LIB))


@pytest.mark.parametrize(
    ("changed", "units"),
    [
        ("inner/src/lib.rs", {"inner"}),
        ("inner/data.txt", {"inner"}),
        ("src/lib.rs", {"."}),
        ("Cargo.toml", {".", "inner"}),
        ("LICENSE", {".", "inner"}),
        (".reuse/dep5", {".", "inner"}),
        ("target/debug/build/out.rs", set()),
        (".git/HEAD", set()),
    ],
)
def test_fingerprints_change_with_what_is_read(
    workspace: Path, changed: str, units: set[str]
) -> None:
    before = units_of(workspace)
    assert units_of(workspace) == before
    write_files(workspace, {changed: "[package]\nname = 'changed'\n"})
    after = units_of(workspace)
    assert {name for name in before if before[name] != after[name]} == units


def test_a_new_crate_is_one_new_unit(workspace: Path) -> None:
    before = units_of(workspace)
    write_files(workspace, {"new/Cargo.toml": MANIFEST.format(name="new"), "new/lib.rs": LIB})
    after = units_of(workspace)
    assert {name for name in after if after[name] != before.get(name)} == {"new"}


def test_links_are_not_followed(workspace: Path, tmp_path: Path) -> None:
    outside = write_files(tmp_path / "outside", {"Cargo.toml": MANIFEST.format(name="x")})
    write_files(outside, {"src/lib.rs": LIB, "LICENSE": "MIT"})
    (workspace / "inner/src/passwd.rs").symlink_to("/etc/passwd")
    (workspace / "inner/src/other").symlink_to(outside)
    (workspace / "linked").symlink_to(outside)
    (workspace / "inner/Cargo.toml").write_text('[package]\nname = "inner"\nlicense-file = "L"\n')
    (workspace / "inner/LICENSE").symlink_to(outside / "LICENSE")
    os.mkfifo(workspace / "inner/src/pipe.rs")
    found = read(workspace, tmp_path)
    assert {one.package for one in documents(found)} == {"outer", "inner"}
    assert reasons(found) == ["a link"]
    assert all(one.license == "" for one in documents(found) if one.package == "inner")


def test_a_manifest_that_is_a_link_makes_no_crate(tmp_path: Path) -> None:
    write_files(tmp_path, {"real/Cargo.toml": MANIFEST.format(name="x"), "code/a/src/lib.rs": LIB})
    (tmp_path / "code/a/Cargo.toml").symlink_to(tmp_path / "real/Cargo.toml")
    with pytest.raises(M31RError, match="no crates there"):
        read(SourceConfig(tmp_path / "code", kind="crates"), tmp_path)


def test_licence_files_do_not_lead_out_of_the_source(workspace: Path, tmp_path: Path) -> None:
    write_files(tmp_path, {"LICENSE": "MIT"})
    manifest = '[package]\nname = "inner"\nlicense-file = "../../LICENSE"\n'
    write_files(workspace, {"inner/Cargo.toml": manifest})
    found = documents(read(workspace, tmp_path))
    assert {one.license for one in found if one.package == "inner"} == {""}


def test_files_that_are_no_documents(workspace: Path, tmp_path: Path) -> None:
    write_files(workspace, {"inner/src/latin.rs": b"// \xe9\n", "inner/src/large.rs": b"x" * 101})
    found = read(workspace, tmp_path, ArchiveLimits(max_file_bytes=100))
    assert sorted(reasons(found)) == ["not UTF-8", "too large"]


def test_names_that_cannot_be_written_down(workspace: Path, tmp_path: Path) -> None:
    try:
        write_files(workspace, {os.fsdecode(b"inner/src/\xe9.rs"): LIB, "inner/src/a\nb.rs": LIB})
    except OSError:
        pytest.skip("this file system takes no such names")
    found = read(workspace, tmp_path)
    assert reasons(found) == ["unprintable name"] * 2


def test_names_in_manifests_are_not_trusted(workspace: Path, tmp_path: Path) -> None:
    write_files(
        workspace, {"inner/Cargo.toml": '[package]\nname = "../../etc"\nversion = "a\\nb"\n'}
    )
    found = read(workspace, tmp_path)
    assert reasons(found) == ["in no crate"] * 2
    write_files(workspace, {"inner/Cargo.toml": '[package]\nname = "in"\nversion = "a\\nb"\n'})
    assert {one.version for one in documents(read(workspace, tmp_path))} == {"1.2.3", ""}


def test_a_registry_is_a_folder_of_crates(tmp_path: Path) -> None:
    folder = tmp_path / "registry" / "src" / "index-0"
    for name in ("a-1.2.3", "b-1.2.3"):
        manifest = MANIFEST.format(name=name[0])
        write_files(folder / name, {"Cargo.toml": manifest, "src/lib.rs": LIB, ".cargo-ok": ""})
    found = documents(read(tmp_path / "registry" / "src", tmp_path))
    assert [one.path for one in found] == [
        "index-0/a-1.2.3/src/lib.rs",
        "index-0/b-1.2.3/src/lib.rs",
    ]


def test_the_kind_of_a_source_is_seen(workspace: Path, tmp_path: Path) -> None:
    def kind(path: Path, commit: str = "HEAD") -> str:
        return kind_of_source(SourceConfig(path, commit=commit))

    assert kind(workspace) == "crates"
    assert kind(workspace, "v1.0") == "git"
    for name, expected in (
        ("a.jsonl", "pack"),
        ("a.jsonl.zst", "pack"),
        ("a.crate", "crate-files"),
        ("a.tar.gz", "sdists"),
        ("a.zip", "sdists"),
        ("a.deb", "debian"),
        ("a.parquet", "parquet"),
    ):
        folder = write_files(tmp_path / expected, {name: ""})
        assert kind(folder / name) == kind(folder) == expected
    cache = write_files(tmp_path / "cache", {"index-0/a.crate": ""})
    assert kind(cache) == "crate-files"
    with pytest.raises(ConfigError, match="set 'kind'"):
        kind(write_files(tmp_path / "mixed", {"a.deb": "", "b.crate": ""}))
    with pytest.raises(ConfigError, match="not a kind of file"):
        kind(write_files(tmp_path, {"a.txt": ""}) / "a.txt")
    with pytest.raises(M31RError, match="no such file"):
        kind(tmp_path / "nowhere")
