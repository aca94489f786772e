"""The names that libraries declare, found on this machine without cargo."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_lsp.context.surroundings import Surroundings
from m31r_lsp.filters.cursor import Cursor
from m31r_lsp.indexing import read_names, read_workspace
from m31r_lsp.scope.dependencies import packages, source_folders
from m31r_lsp.scope.public import declared_names
from m31r_lsp.scope.standard import standard_names
from m31r_lsp.scope.unknown import unknown_names


def package(folder: Path, manifest: str, source: str = "") -> Path:
    (folder / "src").mkdir(parents=True)
    (folder / "Cargo.toml").write_text(manifest)
    (folder / "src" / "lib.rs").write_text(source)
    return folder / "Cargo.toml"


@pytest.fixture
def vendored(tmp_path: Path) -> Path:
    source = tmp_path / "vendor"
    package(source / "tools-1.2.0", '[dependencies]\nparts = "0.3"\n', "pub fn old_tool() {}")
    package(source / "tools-1.4.1", '[dependencies]\nparts = "0.3"\n', "pub fn new_tool() {}")
    package(source / "tools-2.0.0", "", "pub fn newest_tool() {}")
    package(source / "parts-0.3.7", '[dev-dependencies]\nlost = "1"\n', "pub struct Part;")
    package(source / "tools-extra-1.0.0", "", "pub fn extra() {}")
    return source


class Known(Surroundings):
    """Surroundings that can be asked for the names of dependencies."""

    def __init__(self) -> None:
        super().__init__(10**6)
        self.names: set[str] = set()

    def add_names(self, names: Iterable[str]) -> None:
        self.names.update(names)


def names(manifest: Path, *sources: Path) -> tuple[set[str], list[str]]:
    found, missing = packages([manifest], sources)
    known = Known()
    for _ in read_names(known, found):
        pass
    return known.names, missing


def test_dependencies_and_theirs(tmp_path: Path, vendored: Path) -> None:
    manifest = package(tmp_path / "crate", '[dependencies]\ntools = "1.3"\n')
    assert names(manifest, vendored) == ({"tools", "new_tool", "parts", "Part"}, [])


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ('tools = "=1.2.0"', "old_tool"),
        ('tools = { version = "2", features = ["a"] }', "newest_tool"),
        ('mine = { package = "tools", version = "2" }', "newest_tool"),
        ('tools = "*"', "newest_tool"),
        ('tools-extra = "1"', "extra"),
    ],
)
def test_versions_and_other_names(wish: str, expected: str, tmp_path: Path, vendored: Path) -> None:
    manifest = package(tmp_path / "crate", f"[dependencies]\n{wish}\n")
    assert expected in names(manifest, vendored)[0]


def test_a_path_and_a_workspace(tmp_path: Path, vendored: Path) -> None:
    package(tmp_path / "near", '[target."cfg(unix)".dependencies]\nparts = "0.3"\n')
    manifest = package(
        tmp_path / "crate",
        '[workspace.dependencies]\ntools = "2"\n'
        '[dependencies]\nnear = { path = "../near" }\ntools = { workspace = true }\n',
    )
    assert names(manifest, vendored)[0] >= {"Part", "newest_tool"}


def test_what_is_not_there_is_named(tmp_path: Path, vendored: Path) -> None:
    wishes = '[dependencies]\nabsent = "1"\nunused = { version = "1", optional = true }\n'
    manifest = package(tmp_path / "crate", wishes)
    assert names(manifest, vendored) == (set(), ["absent"])


def test_where_cargo_keeps_sources(
    tmp_path: Path, vendored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    registry = home / "registry" / "src" / "index.example-1"
    registry.mkdir(parents=True)
    monkeypatch.setenv("CARGO_HOME", str(home))
    config = tmp_path / "crate" / ".cargo" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[source.vendored]\ndirectory = "../vendor"\n')
    found = [folder.resolve() for folder in source_folders(tmp_path / "crate")]
    assert vendored.resolve() in found
    assert registry.resolve() in found


def test_broken_manifests_and_sources_are_nothing(tmp_path: Path) -> None:
    manifest = package(tmp_path / "crate", "[dependencies\n")
    assert packages([manifest, tmp_path / "missing.toml"], [tmp_path / "no"]) == ([], [])


def test_declared_names() -> None:
    text = """\
pub fn grow<T>(by: usize) -> T { let local = 1; todo!() }
pub struct Tree { pub height: u32, leaves: Vec<Leaf> }
enum Season {
    Spring,
    Summer { days: u8 },
    Autumn(u8),
}
macro_rules! plant { () => {} }
pub const MOST: usize = 3;
pub const fn least() -> u8 { 0 }
static mut SEEN: u8 = 0;
"""
    found = declared_names(text)
    assert {
        "grow",
        "Tree",
        "Season",
        "Spring",
        "Summer",
        "Autumn",
        "plant",
        "MOST",
        "least",
        "SEEN",
    } <= found
    assert "local" not in found


def test_the_standard_library_is_known() -> None:
    assert len(standard_names()) > 5_000
    assert {"Vec", "println", "unwrap_or_default", "HashMap", "read_to_string", "iter"} <= (
        standard_names()
    )


CODE = st.lists(
    st.sampled_from(
        ["let ", "fn ", "|", "name", "::", ".", "(", ")", "{", "}", "é", "\n", "!", '"']
    ),
    max_size=20,
).map("".join)


@given(before=CODE, text=CODE, after=CODE)
def test_unknown_names_never_throws_and_blames_only_what_is_there(
    before: str, text: str, after: str
) -> None:
    for name in unknown_names(before, text, after, lambda name: False):
        assert name in before[-len(name) :] + text
        assert unknown_names(before, text, after, {name}.__contains__).count(name) == 0


def test_what_a_file_imports_from_a_dependency(tmp_path: Path, vendored: Path) -> None:
    manifest = '[dependencies]\ntools = "2"\n'
    crate = package(tmp_path / "crate", manifest, "use tools::newest_tool;\n").parent
    (crate / ".cargo").mkdir()
    (crate / ".cargo" / "config.toml").write_text(f'[source.x]\ndirectory = "{vendored}"\n')
    known = Surroundings(10**6, ["imports"])
    steps = list(read_workspace(known, [crate], dependencies=True))
    assert {"tools", "lib.rs", "std"} <= set(steps)
    cursor = Cursor("use tools::newest_tool;\n\nfn main() {\n    ", "\n}\n")
    (chunk,) = known.around("src/main.rs", cursor)
    assert chunk.text == "pub fn newest_tool()\n"
    assert known.size().ready
    assert known.exists("newest_tool")
    assert not known.exists("old_tool")
